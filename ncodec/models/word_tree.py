"""A codebook that is nested for every size: each word was split off a coarser one. NumPy only.

After Mao et al., "Extreme Image Compression using Fine-tuned VQGANs" (DCC 2024), which clusters a
codebook into a few smaller ones. Here every size from 1 to 1,024 is one of the nested codebooks.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ncodec.errors import ModelMismatchError

WORDS = 1024
NODES = 2 * WORDS - 1
"""Meanings that words have in turn."""
MISSING_NODE = NODES
"""Stands where no word is known."""
STEPS = 97
"""Rate steps."""
STEPS_AN_OCTAVE = 16
SMALLEST = 16
"""Words at the lowest rate."""

Words = NDArray[np.int32]


class WordTree:
    """Which word each word was split off, and how many words each rate step has.

    Word n >= 1 was split off word `parent[n]` < n: a codebook of K words are the words 0..K-1. What
    a word means changes when another is split off it; each meaning is a node. Node 0 is all words
    in one; from split n on, `parent[n]` means node 2n - 1 and n means node 2n.
    """

    def __init__(self, parent: Words, sizes: Words) -> None:
        """Take parents [1024] and sizes [97]. Raises `ModelMismatchError` unless they fit."""
        if parent.shape != (WORDS,) or not ((parent >= 0) & (parent < _ranks())).all():
            raise ModelMismatchError("weights: a word is split off no earlier one")
        rising = sizes.shape == (STEPS,) and (np.diff(sizes) >= 0).all()
        if not rising or sizes[0] < 2 or sizes[-1] > WORDS:
            raise ModelMismatchError(f"weights: sizes of codebooks must rise within 2..{WORDS}")
        self.parent, self.sizes = parent, sizes

    def size(self, step: int) -> int:
        """Words at a rate step."""
        return int(self.sizes[step])

    @lru_cache(maxsize=STEPS)  # noqa: B019  # One tree a weights file, and those are few.
    def coarse(self, size: int) -> Words:
        """The word of a codebook of `size` that each of the 1,024 words belongs to: [1024]."""
        found = np.arange(WORDS, dtype=np.int32)
        for word in range(size, WORDS):
            found[word] = found[self.parent[word]]
        return found

    @lru_cache(maxsize=STEPS)  # noqa: B019
    def nodes(self, size: int) -> Words:
        """The node that each word of a codebook of `size` means: [size]."""
        found = np.zeros(size, np.int32)
        for split in range(1, size):
            found[self.parent[split]], found[split] = 2 * split - 1, 2 * split
        return found


def _ranks() -> Words:
    """What each parent must be below."""
    return np.maximum(np.arange(WORDS, dtype=np.int32), 1)


def usual_sizes() -> Words:
    """Sizes [97] of codebooks, 16 to an octave from 16 to 1,024."""
    octaves = np.arange(STEPS) / STEPS_AN_OCTAVE
    sizes: Words = np.rint(SMALLEST * 2.0**octaves).astype(np.int32)
    return sizes
