"""Words of a picture to payloads and back, for the codec `vqgan`. Integers from end to end.

A payload holds a map of words, pass after pass. Each word is coded under the distribution that
`Codebook.weights` gives for it. Where a file leaves words out, they are of the last pass, which no
context sees, and flags before it say which.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ncodec.codecs.vqgan_contexts import Codebook, ContextModel, grid_of, is_last
from ncodec.codecs.vqgan_rate import MAX_DROP, Rate
from ncodec.entropy.dense import DenseDecoder, DenseEncoder, code_lengths
from ncodec.errors import EntropyDesyncError

PRIOR = 8
"""How many flags what the header says of all of them is worth."""

Map = Tensor
"""int64 [rows, width]: words; the codebook's size where one was left out."""


class WordCoder:
    """Codes maps of words under a context model."""

    def __init__(self, contexts: ContextModel) -> None:
        self.contexts = contexts

    def choose(self, distances: Tensor, slope: float, step: int) -> Map:
        """The words that are near for few bits.

        Args:
            distances: of every position of a map from each word, [rows, width, K].
            slope: what a bit may cost in distance.
            step: the rate step.
        """
        book, grid = self.contexts.codebook(step), grid_of(*distances.shape[:2])
        ordered, words = distances.flatten(0, 1)[grid.order], torch.zeros_like(grid.order)
        for part in grid.passes:
            place = slice(part.start, part.stop)
            weights = torch.from_numpy(book.weights(part, words)).float()
            bits = weights.sum(1, keepdim=True).log2_() - weights.log2()
            words[place] = bits.mul_(slope).add_(ordered[place]).argmin(1)
        return words[grid.rank].reshape(distances.shape[:2])

    def bits(self, words: Map, step: int) -> Tensor:
        """What each word of a map costs where none is left out: [rows, width]."""
        book, grid = self.contexts.codebook(step), grid_of(*words.shape)
        ordered, found = words.flatten()[grid.order], torch.empty(words.numel())
        for part in grid.passes:
            here = ordered[part.start : part.stop].numpy().astype(np.int32)
            lengths = code_lengths(here, book.weights(part, ordered))
            found[part.start : part.stop] = torch.from_numpy(lengths).float()
        return found[grid.rank].reshape(words.shape)

    def encode(self, words: Map, rate: Rate) -> bytes:
        """The payload of a map."""
        book, grid, encoder = self._book(rate), grid_of(*words.shape), DenseEncoder()
        ordered = words.flatten()[grid.order]
        for part in grid.passes:
            here = ordered[part.start : part.stop].numpy().astype(np.int32)
            there = here < book.size
            if is_last(part):
                for row in Flags(rate, grid.order[part.start : part.stop], words.shape):
                    encoder.encode((~there[row.place]).astype(np.int32), row.weights)
                    row.set(~there[row.place])
            encoder.encode(here[there], book.weights(part, ordered)[there])
        return encoder.finish()

    def decode(self, payload: bytes, shape: tuple[int, int], rate: Rate) -> Map:
        """Undo `encode`. Raises `CorruptFileError` and `EntropyDesyncError`."""
        book, grid, decoder = self._book(rate), grid_of(*shape), DenseDecoder(payload)
        ordered = torch.full((len(grid.order),), book.size)
        for part in grid.passes:
            there = np.full(part.stop - part.start, not (is_last(part) and rate.left_out))
            if is_last(part):
                for row in Flags(rate, grid.order[part.start : part.stop], shape):
                    there[row.place] = decoder.decode(row.weights) == 0
                    row.set(~there[row.place])
            found = np.full(len(there), book.size, np.int64)
            found[there] = decoder.decode(book.weights(part, ordered)[there])
            ordered[part.start : part.stop] = torch.from_numpy(found)
        decoder.finish()
        return ordered[grid.rank].reshape(shape)

    def _book(self, rate: Rate) -> Codebook:
        return self.contexts.codebook(rate.step)

    def verify(self, payload: bytes, words: Map, rate: Rate) -> None:
        """Decode again what was just encoded; `EntropyDesyncError` unless it is the same."""
        height, width = words.shape
        if not torch.equal(self.decode(payload, (height, width), rate), words):
            raise EntropyDesyncError("the encoder's own check failed: symbols decode differently")


class Flags:
    """Which words of the last pass are left out, row after row of the map.

    How likely that is depends on whether the two are that lie diagonally above. It is counted as
    coding goes; before, `PRIOR` words are taken to be as the header says of all of them. Where it
    says that nothing is left out, or all that may be, there are no flags.
    """

    def __init__(self, rate: Rate, places: Tensor, shape: tuple[int, ...]) -> None:
        """Take the rate, where the words are [n], in reading order, and rows and width."""
        self._told = 0 < rate.left_out < MAX_DROP
        self.counts = PRIOR * np.tile([MAX_DROP - rate.left_out, rate.left_out], (3, 1))
        self.rows, self.columns = (n.numpy() for n in (places // shape[1], places % shape[1]))
        self.gone = np.zeros((shape[0] + 1, shape[1] + 2), np.bool_)

    def __iter__(self) -> "Iterator[FlagRow]":
        """Each row, once the one above is set."""
        if self._told:
            starts = np.flatnonzero(np.diff(self.rows, prepend=-1))
            for start, stop in pairwise([*starts.tolist(), len(self.rows)]):
                yield FlagRow(self, slice(start, stop))


class FlagRow:
    """The flags of one row: `place` among those of the pass, `weights` [n, 2] of 0 and 1."""

    def __init__(self, flags: Flags, place: slice) -> None:
        self._flags, self.place = flags, place
        row, columns = flags.rows[place.start], flags.columns[place]
        above = flags.gone[row]
        self._classes = above[columns].astype(np.intp) + above[columns + 2]
        self._set = (row + 1, columns + 1)
        self.weights = flags.counts[self._classes].astype(np.int32)

    def set(self, gone: NDArray[np.bool_]) -> None:
        """Say what the flags are; each counts for as much as percents of `MAX_DROP` do."""
        self._flags.gone[self._set] = gone
        np.add.at(self._flags.counts, (self._classes, gone.astype(np.intp)), MAX_DROP)
