"""Latents to indices and back, in arithmetic that no shape of a batch can change.

Latents are rounded to quarters of the codewords' unit. All that follows is done with whole numbers
(and eighths) that a float64 holds exactly, so one frame alone gets the same indices as among fifty.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ncodec.codecs.grvq_contexts import CODEBOOKS, CODEWORDS, GROUPS, SIZE
from ncodec.codecs.grvq_layout import Single
from ncodec.entropy.exact import Floats, product

LAYERS = CODEBOOKS // GROUPS
FINENESS = 4
"""Steps of a latent to one of a codeword."""
MAX_LATENT = 2**14
"""In steps; some thirty codewords at their largest."""
BEAM = 2
"""Ways that are followed from layer to layer: the nearest codeword is not always the best start."""

Paths = NDArray[np.int16]
"""[..., 2, 6, 6]: for each group the best indices of 1, 2, ... 6 layers, the rest of a row 0."""


@dataclass(frozen=True)
class Quantised:
    """Frames of one channel, coded with any number of codebooks.

    Attributes:
        paths: int16 [T, 2, 6, 6].
        errors: float32 [T, 13], the squared distance from the latent, in latent units, that is
            left with so many codebooks.
    """

    paths: Paths
    errors: Single

    @property
    def indices(self) -> NDArray[np.int16]:
        """The indices [T, 12] if all codebooks are used."""
        return chosen(self.paths, np.full(len(self.paths), CODEBOOKS, np.uint8))


def chosen(paths: Paths, counts: NDArray[np.uint8]) -> NDArray[np.int16]:
    """Indices [..., 12] of frames with so many codebooks [...]; beyond them they mean nothing."""
    layers = (counts[..., None] + (GROUPS - 1 - np.arange(GROUPS))) // GROUPS
    last = np.maximum(layers.astype(np.intp) - 1, 0)[..., None, None]
    rows = np.take_along_axis(paths, last, axis=-2)[..., 0, :]
    return np.ascontiguousarray(np.moveaxis(rows, -2, -1)).reshape(*counts.shape, CODEBOOKS)


def only(indices: NDArray[np.int16]) -> Paths:
    """Paths that are these indices [..., 12], whatever the count; a view that takes no memory."""
    rows = np.moveaxis(indices.reshape(*indices.shape[:-1], LAYERS, GROUPS), -1, -2)
    return np.broadcast_to(rows[..., None, :], (*rows.shape[:-1], LAYERS, LAYERS))


class Quantiser:
    """Group-residual vector quantisation with given codewords."""

    def __init__(self, codewords: Floats | Single, scale: float) -> None:
        """Take whole numbers [12, >= 1024, 64]; times `scale` they are latents."""
        self._words = codewords.astype(np.float64)
        self._steps = FINENESS * self._words
        self._scale = scale
        turned = self._words[:, :CODEWORDS].transpose(0, 2, 1)
        # |r - 4 c|^2 is |r|^2 - 8 (r c - 2 |c|^2): one product with (r, 1).
        halves = FINENESS / 2 * np.square(turned).sum(axis=1, keepdims=True)
        self._products = np.concatenate([turned, -halves], axis=1)

    def quantise(self, latent: Floats | Single, beam: int = BEAM) -> Quantised:
        """Code latents [T, 128], following `beam` ways at a time."""
        steps = np.nan_to_num(np.rint(latent * (FINENESS / self._scale)))
        parts = steps.clip(-MAX_LATENT, MAX_LATENT).astype(np.float64).reshape(-1, GROUPS, SIZE)
        found = [self._group(parts[:, group], group, beam) for group in range(GROUPS)]
        left = np.stack([errors for _, errors in found], axis=1)
        counts = np.arange(CODEBOOKS + 1)
        errors = left[:, 0, (counts + 1) // GROUPS] + left[:, 1, counts // GROUPS]
        unit = (self._scale / FINENESS) ** 2
        paths = np.stack([ways for ways, _ in found], axis=1)
        return Quantised(paths, (errors * unit).astype(np.float32))

    def _group(self, part: Floats, group: int, beam: int) -> tuple[Paths, Floats]:
        """Paths [T, 6, 6] of a group [T, 64], and what each number of layers leaves [T, 7]."""
        rest, frames = part[:, None], np.arange(len(part))[:, None]
        ways = np.zeros((len(part), 1, LAYERS), np.int16)
        paths = np.zeros((len(part), LAYERS, LAYERS), np.int16)
        errors = np.empty((len(part), LAYERS + 1))
        left = np.square(rest).sum(axis=2)
        errors[:, 0] = left[:, 0]
        for layer in range(LAYERS):
            codebook = GROUPS * layer + group
            behind = (left - left[:, :1]) / (2 * FINENESS)
            wanted = beam if layer < LAYERS - 1 else 1
            came, words = _best(self._scores(rest, codebook), behind, wanted)
            ways = ways[frames, came]
            ways[..., layer] = words
            rest = rest[frames, came] - self._steps[codebook].take(words, axis=0)
            left = np.square(rest).sum(axis=2)
            paths[:, layer], errors[:, layer + 1] = ways[:, 0], left[:, 0]
        return paths, errors

    def _scores(self, rest: Floats, codebook: int) -> Floats:
        """How near each codeword is to rests [T, ways, 64]: [T, ways, 1024], more is nearer."""
        frames, ways, _ = rest.shape
        ones = np.ones((frames, ways, 1))
        extended = np.concatenate([rest, ones], axis=2).reshape(-1, SIZE + 1)
        return product(extended, self._products[codebook]).reshape(frames, ways, CODEWORDS)

    def dequantise(self, indices: NDArray[np.int16], counts: NDArray[np.uint8]) -> Single:
        """Latents float32 [..., 128] of indices [..., 12], as far as counts [...] go."""
        known = np.where(np.arange(CODEBOOKS) < counts[..., None], indices, -1)
        latent = np.zeros((*counts.shape, GROUPS, SIZE))
        for codebook in range(CODEBOOKS):
            words = self._words[codebook].take(known[..., codebook], axis=0, mode="wrap")
            latent[..., codebook % GROUPS, :] += words
        return (latent * self._scale).astype(np.float32).reshape(*counts.shape, GROUPS * SIZE)


def _best(scores: Floats, behind: Floats, count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Ways and codewords [T, count] of the highest scores, best first.

    Args:
        scores: [T, ways, 1024]; those that are found get overwritten.
        behind: [T, ways], what to take off the scores of each way.
        count: how many to find.
    """
    frames = np.arange(len(scores))
    came, words = np.empty((2, len(scores), count), np.intp)
    leading = scores.argmax(axis=2)
    tops = scores.max(axis=2) - behind
    for place in range(count):
        way = tops.argmax(axis=1)
        word = leading[frames, way]
        came[:, place], words[:, place] = way, word
        if place < count - 1:
            scores[frames, way, word] = -np.inf
            rows = scores[frames, way]
            leading[frames, way] = second = rows.argmax(axis=1)
            tops[frames, way] = rows[frames, second] - behind[frames, way]
    return came, words
