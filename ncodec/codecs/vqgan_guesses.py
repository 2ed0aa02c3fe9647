"""Guessing words that are not there, and choosing those that need not be, for the codec `vqgan`.

Guesses are floating point: two machines may guess differently. They decide pixels, never a table.
"""

import math

import torch
from torch import Tensor

from ncodec.codecs.vqgan_contexts import Codebook, coarser, last_pass
from ncodec.codecs.vqgan_rate import MAX_DROP
from ncodec.codecs.vqgan_tiles import CHUNKS
from ncodec.codecs.vqgan_words import Map
from ncodec.models.vqgan import Vqgan

FINEST = 64
"""Rate step of the finest codebook that words are guessed in: of finer ones the network has seen
too little (measured)."""
ROUNDS = 3
"""Times that the words to leave out are chosen, some more each time, with the others gone."""


class Guesser:
    """Guesses words by a network that sees those around them."""

    def __init__(self, model: Vqgan, device: torch.device) -> None:
        """Take the network and the centroids of a model."""
        self._predictor, self._device = model.predictor, device
        self._centroids = model.encoder.centroids.cpu()

    @torch.inference_mode()
    def filled(self, words: Map, book: Codebook) -> Map:
        """The map with guesses where `book.size` stands: no word is known there.

        A guess is the word that is nearest, on average, to what may be there: the likeliest alone
        may be unlike all the others.
        """
        missing = words == book.size
        if not missing.any():
            return words
        coarse = book.model.codebook(FINEST)
        coarse = coarse if coarse.size < book.size else book
        found = words.clone()
        # A coarse word has the number of the heaviest of those that are split off it.
        found[missing] = self._guessed(coarser(words, book, coarse), missing, coarse)
        return found

    def _guessed(self, words: Map, missing: Tensor, book: Codebook) -> Tensor:
        """Guesses [n] where a map has no words."""
        nodes = torch.from_numpy(book.nodes).long()
        logits = self._predictor(nodes[words][None].to(self._device))[0].cpu()
        likely = torch.zeros(book.size, int(missing.sum()))
        likely.index_add_(0, torch.from_numpy(book.coarse).long(), logits[:, missing].softmax(0))
        centroids = self._centroids[nodes[:-1]]
        return (torch.cdist(centroids, centroids) @ likely).argmin(0)

    def dispensable(self, words: Map, gains: Tensor, book: Codebook, percent: int) -> Tensor:
        """Which words to leave out: those that are guessed well for the bits that it saves.

        Args:
            words: a whole map [h, w].
            gains: what it is worth to have each word instead of the one coded, in distance, and
                with the bits of the one coded: [h, w, K].
            book: the words.
            percent: how many of all are left out.

        Returns:
            True where a word is left out, [h, w].
        """
        allowed = self._allowed(words.shape[0], words.shape[1])
        if percent == MAX_DROP:
            return allowed
        gone = torch.zeros_like(allowed)
        for turn in range(ROUNDS):
            wanted = words.numel() * percent // 100 * (turn + 1) // ROUNDS
            worth = self._worth(words, gains, gone, book).masked_fill_(gone | ~allowed, -math.inf)
            best = worth.flatten().argsort(stable=True, descending=True)
            gone.view(-1)[best[: wanted - int(gone.sum())]] = True
        return gone & allowed

    def _worth(self, words: Map, gains: Tensor, gone: Tensor, book: Codebook) -> Tensor:
        """What it is worth to leave each word out, besides those that are gone already: [h, w].

        Those of each chunk that may be left out are all guessed at once.
        """
        worth = torch.full(words.shape, -math.inf)
        for first in range(CHUNKS):
            hidden = gone.clone()
            hidden[first::CHUNKS] |= self._allowed(*words.shape)[first::CHUNKS]
            guesses = self.filled(torch.where(hidden, book.size, words), book)
            value = gains.gather(2, guesses[..., None])[..., 0]
            worth[first::CHUNKS] = value[first::CHUNKS]
        return worth

    def _allowed(self, height: int, width: int) -> Tensor:
        """Which words of a tile may be left out: those that no context sees."""
        found = torch.zeros(height, width, dtype=torch.bool)
        for first in range(min(CHUNKS, height)):
            rows = found[first::CHUNKS]
            found[first::CHUNKS] = last_pass(len(rows), width)
        return found
