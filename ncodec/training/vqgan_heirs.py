"""Trees of words of the `vqgan` codec without some of their words, and with others split."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from ncodec.models.word_tree import NODES, WORDS


@dataclass(frozen=True)
class Halves:
    """Two words for the blocks of one: which rows fall to each, centroids [2, F], what is saved."""

    rows: tuple[Tensor, Tensor]
    centroids: Tensor
    saved: float

    def shares(self) -> list[float]:
        """The part of the blocks that falls to each."""
        counts = [len(rows) for rows in self.rows]
        return [count / sum(counts) for count in counts]

    def bits(self) -> float:
        """What telling them apart costs where nothing else is known."""
        return -sum(len(r) * math.log2(s) for r, s in zip(self.rows, self.shares(), strict=True))


@dataclass
class Heirs:
    """A new tree of words and which old ones its nodes and words come from.

    Attributes:
        parent: as `WordTree` has it.
        nodes: the old node for each new one.
        words: the old word for each new one.
        leaves: the new node of each new word.
        centroids: features [F] of new nodes that are no old ones.
        shares: the part of its old word's blocks that falls to each word that is no old one.
    """

    parent: list[int]
    nodes: list[int]
    words: list[int]
    leaves: list[int]
    centroids: dict[int, Tensor] = field(default_factory=dict)
    shares: dict[int, float] = field(default_factory=dict)

    def split(self, word: int, halves: Halves) -> None:
        """Split a word; its second half becomes the last word."""
        last, source = len(self.words), self.nodes[self.leaves[word]]
        whole = self.shares.get(word, 1.0)
        nodes = halves_of(last)
        for half, place in enumerate((word, last)):
            self.shares[place] = whole * halves.shares()[half]
            self.centroids[nodes[half]] = halves.centroids[half]
        self.parent.append(word)
        self.words.append(self.words[word])
        self.nodes += [source, source]
        self.leaves[word] = nodes[0]
        self.leaves.append(nodes[1])


class Survivors:
    """What is left of a tree without some of its words.

    Attributes:
        whole: the node that each split divides, [1024]; the first is none.
        ends: the node of each finest word, [1024].
        alive: whether a node stands for a word that stays, [2047].
    """

    def __init__(self, parent: Sequence[int], gone: Sequence[int]) -> None:
        self.whole, self.ends = divided(parent)
        self.alive = [False] * NODES
        for word in set(range(WORDS)) - set(gone):
            self.alive[self.ends[word]] = True
        for split in range(WORDS - 1, 0, -1):
            left, right = halves_of(split)
            self.alive[self.whole[split]] = self.alive[left] or self.alive[right]
        self._split_of = {self.whole[split]: split for split in range(1, WORDS)}

    def stays(self, split: int) -> bool:
        """Whether both halves have words left."""
        return all(self.alive[node] for node in halves_of(split))

    def standing(self, node: int) -> int:
        """The last node that stands for the same words as this one."""
        while node in self._split_of and not self.stays(self._split_of[node]):
            node = next(n for n in halves_of(self._split_of[node]) if self.alive[n])
        return node


def without(parent: Sequence[int], gone: Sequence[int]) -> Heirs:
    """The tree without some of its words; what each was split off stands for both, with its place.

    Splits that stay keep their order.
    """
    left = Survivors(parent, gone)
    root = left.standing(0)
    word_of, heirs = {root: 0}, Heirs([0], [root], [0], [0])
    for split in filter(left.stays, range(1, WORDS)):
        last, word = len(heirs.parent), word_of.pop(left.whole[split])
        pair = [left.standing(node) for node in halves_of(split)]
        word_of |= dict(zip(pair, (word, last), strict=True))
        heirs.parent.append(word)
        heirs.nodes += pair
        heirs.leaves[word] = halves_of(last)[0]
        heirs.leaves.append(halves_of(last)[1])
    old = {node: word for word, node in enumerate(left.ends)}
    heirs.words = [old[node] for node in sorted(word_of, key=word_of.__getitem__)]
    return heirs


def halves_of(split: int) -> tuple[int, int]:
    """The nodes that a split makes."""
    return 2 * split - 1, 2 * split


def divided(parent: Sequence[int]) -> tuple[list[int], list[int]]:
    """The node that each split divides [1024], the first being none; the node of each word."""
    whole, ends = [0] * WORDS, [0] * WORDS
    for split in range(1, WORDS):
        whole[split] = ends[parent[split]]
        ends[parent[split]], ends[split] = halves_of(split)
    return whole, ends
