"""Changing the rate of a sound block by block."""

import numpy as np
import soxr
from numpy.typing import NDArray

Single = NDArray[np.float32]

MOST = 1000.0
"""Samples beyond this are clipped: +-1 is full scale."""
FILTER = 512
"""More output samples than a resampling filter sees to one side, at the lower of both rates."""


class Resampler:
    """Changes the rate of a sound of many blocks; however it is cut, the result is the same."""

    def __init__(self, rate_in: int, rate_out: int, channels: int) -> None:
        self._stream = None
        if rate_in != rate_out:
            self._stream = soxr.ResampleStream(rate_in, rate_out, channels, dtype="float32")

    def step(self, block: Single, last: bool) -> Single:
        """The next samples [n, C] -> those that are ready [m, C]; all that remain if `last`."""
        if self._stream is None:
            return block
        ready: Single = self._stream.resample_chunk(np.ascontiguousarray(block), last=last)
        return ready
