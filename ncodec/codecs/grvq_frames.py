"""All frames of a sound while it is encoded: what may be sent, and the error that it leaves."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ncodec.codecs.grvq_allocation import COSTS, Costs, allocate
from ncodec.codecs.grvq_contexts import CODEBOOKS, ContextModel
from ncodec.codecs.grvq_counts import SILENT, VARIED, Counts
from ncodec.codecs.grvq_indices import Codes, IndexCoder
from ncodec.codecs.grvq_layout import Single
from ncodec.codecs.grvq_quantiser import Paths, chosen
from ncodec.entropy.exact import Floats

DEAREST = 1e30
"""A price of a bit at which no frame gets a second codebook."""
SPREAD = 0.3
"""In octaves."""
PILOTS = 4
"""Chunks that are looked at to see what indices cost."""
ROWS = 512
"""Chunks whose counts are chosen at once: it bounds the memory that takes."""


@dataclass(frozen=True)
class Analysed:
    """A chunk before it is decided how many codebooks its frames get.

    Attributes:
        paths: [C, T, 2, 6, 6], see `ncodec.codecs.grvq_quantiser`.
        most: uint8 [C, T], the most codebooks that a frame may get; 0 is silent.
        errors: float32 [C, T, 13], what is left with so many, as far as it matters.
    """

    paths: Paths
    most: Counts
    errors: Single

    def codes(self, counts: Counts) -> Codes:
        """The codes for counts [C, T]."""
        return Codes(chosen(self.paths, counts), counts)

    def counts(self, price: float, costs: Costs = COSTS) -> Counts:
        """The counts [C, T] at a price of so much error a bit, and at these costs of indices."""
        return np.minimum(allocate(self.errors, self.most == SILENT, price, costs), self.most)


class Frames:
    """All chunks of a sound, and the choice of counts at a price.

    Takes about 35 MB for an hour of one channel.

    Attributes:
        chunks: the chunks so far.
        costs: bits that an index of each codebook costs, about.
    """

    def __init__(self) -> None:
        self.chunks: list[Analysed] = []
        self.costs = COSTS

    def add(self, chunk: Analysed) -> None:
        """Take the next chunk."""
        spread = _spread(chunk.errors.shape[1])
        self.chunks.append(replace(chunk, errors=chunk.errors * spread))

    @property
    def largest_error(self) -> float:
        """The largest error of a frame without codebooks."""
        return max(float(chunk.errors.max(initial=0)) for chunk in self.chunks)

    def measure(self, coder: IndexCoder) -> None:
        """Set the costs to those in a few chunks."""
        spacing = -(-len(self.chunks) // PILOTS)
        sums, numbers = np.zeros(CODEBOOKS), np.zeros(CODEBOOKS)
        for chunk in self.chunks[spacing // 2 :: spacing]:
            prices = coder.prices(chunk.codes(chunk.most))
            sums += prices.sum(axis=(0, 1))
            numbers += (prices > 0).sum(axis=(0, 1))
        self.costs = np.where(numbers > 0, sums / np.maximum(numbers, 1), COSTS)

    def bits(self, counts: Counts) -> float:
        """About how many bits a chunk takes with these counts."""
        return float(np.concatenate([[0], self.costs.cumsum()])[counts].sum())

    def counts(self, price: float) -> list[Counts]:
        """Counts [C, T] of every chunk at a price of so much error a bit."""
        whole, found = self.chunks[:-1], list[Counts]()
        for start in range(0, len(whole), ROWS):
            found += self._counts(whole[start : start + ROWS], price)
        return [*found, self.chunks[-1].counts(price, self.costs)]

    def _counts(self, chunks: list[Analysed], price: float) -> list[Counts]:
        """Counts of chunks of equal length, all at once."""
        joined = Analysed(
            chunks[0].paths,
            np.concatenate([chunk.most for chunk in chunks]),
            np.concatenate([chunk.errors for chunk in chunks]),
        )
        return np.split(joined.counts(price, self.costs), len(chunks))


def _spread(frames: int) -> Single:
    """Factors near 1 [T, 1], evenly spread: frames that are alike then change one by one.

    Without them a sound of frames that are all alike has files of few sizes only.
    """
    golden = np.arange(frames) * ((5**0.5 - 1) / 2) % 1
    factors: Single = (2.0 ** (SPREAD * (golden - 0.5))).astype(np.float32)
    return factors[:, None]


def nominal_count(counts: Sequence[Counts]) -> int:
    """The count that most channels' seconds have throughout, or `VARIED`."""
    votes = np.zeros(VARIED + 1, np.int64)
    for chunk in counts:
        for row in chunk:
            if len(row):
                votes[row[0] if (row == row[0]).all() else VARIED] += 1
    return int(votes.argmax()) if votes.any() else VARIED


def energies(contexts: ContextModel) -> Floats:
    """Squared length of every codeword, in its own units: [12, 1025]."""
    lengths: Floats = np.square(contexts.codewords).sum(axis=2)
    return lengths


def price_of(contexts: ContextModel, quality: float) -> float:
    """The price of a bit, in squared units of a codeword, at a quality 0..100.

    At 50, frames get about half of the codebooks: what the codebook in the middle takes off the
    error of a usual frame is just worth its bits. At the ends all frames get 1, or all 12.
    """
    if quality in (0, 100):
        return 0.0 if quality else DEAREST
    place = 1 + (CODEBOOKS - 2) * quality / 100
    return float(np.exp(np.interp(place, np.arange(CODEBOOKS), _worths(contexts))))


def quality_of(contexts: ContextModel, price: float) -> float:
    """The quality at which a bit has this price: undo `price_of`."""
    if price <= 0:
        return 100.0
    place = np.interp(-np.log(price), -_worths(contexts), np.arange(CODEBOOKS))
    return float(np.clip((place - 1) * 100 / (CODEBOOKS - 2), 0, 100))


def _worths(contexts: ContextModel) -> NDArray[np.float64]:
    """Logarithm of the error that a bit of each codebook takes off: [12], falling."""
    means = energies(contexts)[:, :-1].mean(axis=1, dtype=np.float64) / COSTS
    falling = np.minimum.accumulate(means) * (1 - 1e-6 * np.arange(CODEBOOKS))
    worths: NDArray[np.float64] = np.log(falling + 1e-9)
    return worths
