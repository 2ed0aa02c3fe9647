"""Latents to indices and back, in arithmetic that no shape of a batch can change. NumPy only.

Latents are rounded to quarters of the codewords' unit. All that follows is whole numbers below
2**24 carried in float32, so one frame alone gets the same indices as among fifty.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ncodec.codecs.grvq_contexts import CODEBOOKS, CODEWORDS, GROUPS, SIZE, Floats

FINENESS = 4
"""Steps of a latent to one of a codeword."""
MAX_LATENT = 1500
"""In steps: products with a codeword stay below 2**24. Four codewords at their largest."""


@dataclass(frozen=True)
class Quantised:
    """Frames of one channel with all codebooks.

    Attributes:
        indices: int16 [T, 12].
        errors: float32 [T, 13], the squared distance from the latent, in latent units, that is
            left with so many codebooks.
    """

    indices: NDArray[np.int16]
    errors: Floats


class Quantiser:
    """Group-residual vector quantisation with given codewords."""

    def __init__(self, codewords: Floats, scale: float) -> None:
        """Take float32 [12, >= 1024, 64], whole numbers; times `scale` they are latents."""
        self._words = codewords
        self._scale = scale
        turned = codewords[:, :CODEWORDS].transpose(0, 2, 1)
        self._products = np.ascontiguousarray(turned)
        # |r - 4 c|^2 is |r|^2 - 8 (r c - 2 |c|^2).
        self._halves = FINENESS / 2 * np.square(turned).sum(axis=1)

    def quantise(self, latent: Floats) -> Quantised:
        """Indices and errors of latents float32 [T, 128]."""
        steps = np.rint(latent * np.float32(FINENESS / self._scale))
        rest = np.nan_to_num(steps).clip(-MAX_LATENT, MAX_LATENT).reshape(-1, GROUPS, SIZE)
        indices = np.empty((len(latent), CODEBOOKS), np.int16)
        errors = np.empty((len(latent), CODEBOOKS + 1), np.float32)
        errors[:, 0] = np.square(rest).sum(axis=(1, 2))
        for codebook in range(CODEBOOKS):
            part = rest[:, codebook % GROUPS]
            scores = part @ self._products[codebook]
            scores -= self._halves[codebook]
            chosen = scores.argmax(axis=1)
            indices[:, codebook] = chosen
            best = scores[np.arange(len(chosen)), chosen]
            errors[:, codebook + 1] = errors[:, codebook] - 2 * FINENESS * best
            part -= FINENESS * self._words[codebook].take(chosen, axis=0)
            part.clip(-MAX_LATENT, MAX_LATENT, out=part)
        return Quantised(indices, errors * np.float32((self._scale / FINENESS) ** 2))

    def dequantise(self, indices: NDArray[np.int16], counts: NDArray[np.uint8]) -> Floats:
        """Latents float32 [..., 128] of indices [..., 12], as far as counts [...] go."""
        known = np.where(np.arange(CODEBOOKS) < counts[..., None], indices, -1)
        latent = np.zeros((*counts.shape, GROUPS, SIZE), np.float32)
        for codebook in range(CODEBOOKS):
            words = self._words[codebook].take(known[..., codebook], axis=0, mode="wrap")
            latent[..., codebook % GROUPS, :] += words
        latent *= np.float32(self._scale)
        flat: Floats = latent.reshape(*counts.shape, GROUPS * SIZE)
        return flat
