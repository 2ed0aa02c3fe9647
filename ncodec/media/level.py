"""How loud a sound is where it is not silent, and the gain that brings it to a common level."""

import numpy as np
from numpy.typing import NDArray

ACTIVE_LEVEL = -26
"""dB below a full-scale square wave: what speech is usually recorded at."""
MAX_GAIN, MIN_GAIN = 60, -40
_BLOCK = 640
_BINS = 121
_LOUDEST_PART = 0.01
_RANGE = 30


HEARD = 1.5 / 2**15
"""Samples up to this are silence: 16-bit zeros, dither included."""


class LevelMeter:
    """Measures the active level of one channel, in pieces of any size and constant memory.

    Blocks of 640 samples count that are at most 30 dB below the loud ones; the loudest hundredth is
    left out when the loud ones are looked for, so that a click changes nothing.
    """

    def __init__(self) -> None:
        self._histogram = np.zeros(_BINS, np.int64)
        self._rest = np.zeros(0, np.float32)

    def add(self, samples: NDArray[np.float32]) -> None:
        """Take the next samples [n], full scale +-1."""
        joined = np.concatenate((self._rest, samples))
        whole = len(joined) // _BLOCK * _BLOCK
        self._rest = joined[whole:]
        self._count(joined[:whole].reshape(-1, _BLOCK))

    def _count(self, blocks: NDArray[np.float32]) -> None:
        power = np.square(blocks, dtype=np.float64).mean(1)
        level = np.floor(10 * np.log10(power + 1e-20)).clip(1 - _BINS, 0).astype(np.int64)
        self._histogram += np.bincount(-level, minlength=_BINS)

    @property
    def gain_db(self) -> int:
        """Whole dB, MIN_GAIN..MAX_GAIN, that bring the sound to ACTIVE_LEVEL; 0 for silence."""
        histogram = self._histogram
        if not histogram.any():
            short = LevelMeter()
            short._count(self._rest[None, :]) if self._rest.size else None
            histogram = short._histogram
        heard = histogram[:-1].copy()
        if not heard.any():
            return 0
        total = np.cumsum(heard)
        loud = int(np.searchsorted(total, 1 + _LOUDEST_PART * (total[-1] - 1)))
        heard[loud + _RANGE :] = 0
        power = (heard * 10.0 ** (-(np.arange(_BINS - 1) - 0.5) / 10)).sum() / heard.sum()
        return int(np.clip(round(ACTIVE_LEVEL - 10 * np.log10(power)), MIN_GAIN, MAX_GAIN))


class LevelMeters:
    """Measures all channels of a sound; the loudest decides, so that they keep their balance."""

    def __init__(self, channels: int) -> None:
        self._meters = [LevelMeter() for _ in range(channels)]
        self._peaks = np.zeros(channels)

    def add(self, block: NDArray[np.float32]) -> None:
        """Take the next samples [n, C]."""
        self._peaks = np.maximum(self._peaks, np.abs(block).max(axis=0, initial=0))
        for meter, channel in zip(self._meters, block.T, strict=True):
            meter.add(channel)

    @property
    def gain_db(self) -> int:
        """The smallest gain of all channels that are more than silence; 0 for none."""
        pairs = zip(self._meters, self._peaks > HEARD, strict=True)
        return min((meter.gain_db for meter, heard in pairs if heard), default=0)
