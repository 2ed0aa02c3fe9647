"""What the rate in the header of a `vqgan` file says. Imports no torch."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from ncodec.codecs.registry import RateFacts
from ncodec.container import ImageHeader
from ncodec.models.word_tree import STEPS

MAX_DROP = 50
"""Most percent of words that a file may leave out: then it is all that may be."""
RATES = STEPS * (MAX_DROP + 1)


@dataclass(frozen=True)
class Rate:
    """A rate step 0..96 and how many percent of the words the encoder left out."""

    step: int
    left_out: int

    @classmethod
    def of(cls, number: int) -> "Rate":
        """What a header's rate says."""
        left_out, step = divmod(number, STEPS)
        return cls(step, left_out)

    @property
    def number(self) -> int:
        """The header's rate."""
        return STEPS * self.left_out + self.step

    @property
    def quality(self) -> float:
        """The same as 0..100."""
        return 100 * self.step / (STEPS - 1)


def facts(media: ImageHeader, weights: Path | None) -> RateFacts:
    """Quality, codebook size (None without its weights), words, and percent of them left out."""
    rate, across, down = Rate.of(media.rate), -(-media.width // 16), -(-media.height // 16)
    size = None if weights is None else _size(weights, rate.step)
    return RateFacts(rate.quality, size, across * down, rate.left_out)


def _size(weights: Path, step: int) -> int | None:
    """Words at a rate step as a weights file has them; None if it is not one."""
    try:
        with safe_open(weights, framework="numpy") as arrays:
            return int(np.asarray(arrays.get_tensor("words/sizes")).flat[step])
    except (SafetensorError, OSError, IndexError):
        return None
