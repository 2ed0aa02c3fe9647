"""Words of a picture to payloads and back, for the codec `vqgan`. Integers from end to end.

A payload holds a map of words, pass after pass. Each word is coded under the distribution that
`Codebook.weights` gives for it. Where a file leaves words out, flags before each pass say which.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ncodec.codecs.vqgan_contexts import ContextModel, grid_of
from ncodec.codecs.vqgan_rate import Rate
from ncodec.entropy.dense import DenseDecoder, DenseEncoder, code_lengths
from ncodec.errors import EntropyDesyncError
from ncodec.models.pyramid import NEIGHBOURS, Pass

PRIOR = 4
"""How many words' flags what the header says of all of them is worth."""

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
        book, encoder = self.contexts.codebook(rate.step), DenseEncoder()
        grid = grid_of(*words.shape)
        ordered, flags = words.flatten()[grid.order], Flags(rate, book.size)
        for part in grid.passes:
            here = ordered[part.start : part.stop]
            there = here.numpy() < book.size
            if rate.left_out:
                encoder.encode((~there).astype(np.int32), flags.weights(part, ordered))
                flags.add(part, ordered)
            weights = book.weights(part, ordered)[there]
            encoder.encode(here.numpy()[there].astype(np.int32), weights)
        return encoder.finish()

    def decode(self, payload: bytes, shape: tuple[int, int], rate: Rate) -> Map:
        """Undo `encode`. Raises `CorruptFileError` and `EntropyDesyncError`."""
        book, decoder = self.contexts.codebook(rate.step), DenseDecoder(payload)
        grid = grid_of(*shape)
        ordered, flags = torch.full((len(grid.order),), book.size), Flags(rate, book.size)
        for part in grid.passes:
            there = np.ones(part.stop - part.start, np.bool_)
            if rate.left_out:
                there = decoder.decode(flags.weights(part, ordered)) == 0
            words = decoder.decode(book.weights(part, ordered)[there])
            found = np.full(len(there), book.size, np.int64)
            found[there] = words
            ordered[part.start : part.stop] = torch.from_numpy(found)
            if rate.left_out:
                flags.add(part, ordered)
        decoder.finish()
        return ordered[grid.rank].reshape(shape)

    def verify(self, payload: bytes, words: Map, rate: Rate) -> None:
        """Decode again what was just encoded; `EntropyDesyncError` unless it is the same."""
        height, width = words.shape
        if not torch.equal(self.decode(payload, (height, width), rate), words):
            raise EntropyDesyncError("the encoder's own check failed: symbols decode differently")


class Flags:
    """How likely words are left out, by how many of their neighbours are: counted as coding goes.

    Before anything is counted, `PRIOR` words are taken to be as the header says of all of them.
    """

    def __init__(self, rate: Rate, missing: int) -> None:
        """Take the rate, and the word that stands for none."""
        self._missing = missing
        prior = PRIOR * np.array([100 - rate.left_out, rate.left_out], np.int32)
        self._weights = np.tile(prior, (NEIGHBOURS + 2, 1))

    def weights(self, part: Pass, words: Tensor) -> NDArray[np.int32]:
        """Weights of "there" and "left out" at the positions of a pass: [n, 2]."""
        return self._weights[self._classes(part, words)]

    def add(self, part: Pass, words: Tensor) -> None:
        """Count a pass that is known; each word counts as a hundred of what percents count."""
        gone = (words[part.start : part.stop] == self._missing).numpy().astype(np.intp)
        np.add.at(self._weights, (self._classes(part, words), gone), 100)

    def _classes(self, part: Pass, words: Tensor) -> NDArray[np.intp]:
        """How many neighbours are left out, or a class of its own for words without any."""
        if part.around is None:
            return np.full(part.stop - part.start, NEIGHBOURS + 1, np.intp)
        gone = (words[part.around] == self._missing).sum(1)
        return gone.numpy().astype(np.intp)
