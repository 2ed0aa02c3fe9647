"""Guessing words that are not there, and choosing those that need not be, for the codec `vqgan`.

Guesses are floating point: two machines may guess differently. They decide pixels, never a table.
"""

import math

import torch
from torch import Tensor
from torch.nn import Module

from ncodec.codecs.vqgan_contexts import Codebook
from ncodec.codecs.vqgan_words import Map

ROUNDS = 2
"""Times that the words to leave out are chosen, some more each time, with the others gone."""
PHASES = ((0, 0), (1, 1), (0, 1), (1, 0))
"""Quarters of a map that are guessed at a time, from the others."""


class Guesser:
    """Guesses words by a network that sees those around them."""

    def __init__(self, predictor: Module, device: torch.device) -> None:
        self._predictor, self._device = predictor, device

    @torch.inference_mode()
    def guess(self, words: Map, book: Codebook) -> Map:
        """The likeliest word everywhere; `book.size` stands in the map where none is known."""
        nodes = torch.from_numpy(book.nodes).long()[words]
        logits = self._predictor(nodes[None].to(self._device))[0].flatten(1).cpu()
        shares = torch.zeros(book.size, logits.shape[1])
        shares.index_add_(0, torch.from_numpy(book.coarse).long(), logits.softmax(0))
        return shares.argmax(0).reshape(words.shape)

    def filled(self, words: Map, book: Codebook) -> Map:
        """The map with guesses where no word is known."""
        missing = words == book.size
        return torch.where(missing, self.guess(words, book), words) if missing.any() else words

    def dispensable(self, words: Map, gains: Tensor, book: Codebook, percent: int) -> Tensor:
        """Which words to leave out: those that are guessed well for the bits that it saves.

        Args:
            words: a whole map [h, w].
            gains: what it is worth to have each word instead of the one coded, without its bits,
                less what the one coded costs: [h, w, K].
            book: the words.
            percent: how many of all are left out.
        """
        gone = torch.zeros(words.shape, dtype=torch.bool)
        for turn in range(ROUNDS):
            wanted = math.floor(words.numel() * percent / 100) * (turn + 1) // ROUNDS
            worth = self._worth(words, gains, gone, book)
            best = worth.flatten().argsort(stable=True, descending=True)
            gone.view(-1)[best[: wanted - int(gone.sum())]] = True
        return gone

    def _worth(self, words: Map, gains: Tensor, gone: Tensor, book: Codebook) -> Tensor:
        """What it is worth to leave each word out, besides those that are gone already: [h, w]."""
        worth = torch.full(words.shape, -math.inf)
        for row, column in PHASES:
            hidden = gone.clone()
            hidden[row::2, column::2] = True
            guesses = self.guess(torch.where(hidden, book.size, words), book)
            value = gains.gather(2, guesses[..., None])[..., 0]
            worth[row::2, column::2] = value[row::2, column::2]
        return worth.masked_fill_(gone, -math.inf)
