"""Restart of rare words of the `vqgan` codec: they go, and common words are split in their place.

Words are found before anything is trained, and then stay what they are; those of odd colours are
met in few pictures. What was learned of all others is kept: a word that goes leaves its place in
the tree to the one that it was split off, and each half of a word starts from what was known of
the whole. After the restarts of Dhariwal et al., "Jukebox" (2020), whose new words are inputs drawn
at random.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ncodec.errors import ModelMismatchError
from ncodec.models.vqgan import FEATURES
from ncodec.models.word_tree import MISSING_NODE, NODES, STEPS, WORDS, WordTree, usual_sizes
from ncodec.training.checkpoint import load_checkpoint
from ncodec.training.vqgan_contexts import ContextNetwork, choose, vectors_of, weighted_distances
from ncodec.training.vqgan_heirs import Halves, Heirs, divided, without
from ncodec.training.vqgan_words import Draw, blocks, distances

if TYPE_CHECKING:
    from ncodec.training.vqgan import Trained

CROPS, CROP = 1500, 320
RARE, COMMON = 0.05, 0.08
"""Words are rare that are met in a smaller part of crops than the first; halves are met in no less
than the second. A crop has 400 blocks.
"""
ROUNDS = 8


@dataclass(frozen=True)
class Blocks:
    """Blocks of training pictures: features [N, F], weights [N], number of crop and word [N]."""

    features: Tensor
    weights: Tensor
    crops: Tensor
    words: Tensor

    def count(self) -> int:
        """How many crops there are."""
        return int(self.crops.max()) + 1

    def met(self) -> Tensor:
        """The part of all crops in which each word is met: [1024]."""
        count = self.count()
        pairs = torch.unique(self.words * count + self.crops)
        return torch.bincount(pairs // count, minlength=WORDS) / count


@torch.no_grad()
def load(model: Trained, path: Path) -> None:
    """Fill a model with the averaged weights of a training checkpoint.

    Raises `UnsafeWeightsError` for a file that is none, `ModelMismatchError` for one of another
    model, or of a run that had no words yet.
    """
    average = {name: value.clone() for name, value in model.state_dict().items()}
    load_checkpoint(path, model, average)
    model.load_state_dict(average)
    if not model.books.size(0):
        raise ModelMismatchError(f"{path}: a checkpoint without words; let its run take a step")


@torch.no_grad()
def restart(model: Trained, draw: Draw) -> int:
    """Restart the words that are met in few crops of training pictures; returns how many.

    None is where there is nothing to gain.
    """
    seen = blocks_of(model, draw)
    parent = model.books.parent.tolist()
    rare, splits = replaced(seen, finest(model), float(model.vqgan.encoder.slopes[-1]))
    if not rare:
        return 0
    heirs = without(parent, rare)
    number = {old: new for new, old in enumerate(heirs.words)}
    kept = len(heirs.words)
    for word, pair in splits:
        heirs.split(number[word] if word < WORDS else kept + word - WORDS, pair)
    inherit(model, heirs)
    return len(rare)


def finest(model: Trained) -> Tensor:
    """Centroids of the finest words [1024, F]."""
    return model.vqgan.encoder.centroids[model.books.nodes[STEPS - 1]]


def blocks_of(model: Trained, draw: Draw) -> Blocks:
    """Blocks of many crops with the finest words as the codec would choose them."""
    encoder, books = model.vqgan.encoder, model.books
    features, weights, words = [], [], []
    for _ in range(CROPS):
        planes = draw(1, CROP)
        found, weight = encoder(planes)[0], encoder.weight(planes)[0]
        far = weighted_distances(encoder, books, found, weight, STEPS - 1)
        words.append(choose(model.contexts, books, encoder, far, STEPS - 1).flatten())
        features.append(found.flatten(1).T)
        weights.append(weight.flatten())
    crops = torch.arange(CROPS, device=words[0].device).repeat_interleave(len(words[0]))
    return Blocks(torch.cat(features), torch.cat(weights), crops, torch.cat(words))


def replaced(
    seen: Blocks, centroids: Tensor, price: float
) -> tuple[list[int], list[tuple[int, Halves]]]:
    """Words to take away, and which to split instead: the first makes word 1,024, and so on.

    Rare words go, the cheapest first, as long as all splits together save more than that costs.
    """
    rare, costs, words = _dispensable(seen, centroids)
    moved = Blocks(seen.features, seen.weights, seen.crops, words)
    splits = common_splits(moved, len(rare), price)
    saved = torch.tensor([pair.saved for _, pair in splits]).cumsum(0)
    count = int((saved > costs.cumsum(0)[: len(saved)]).sum())
    return rare[:count].tolist(), splits[:count]


def _dispensable(seen: Blocks, centroids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Rare words, what distance it costs to lose each, and words [N] of blocks without them.

    The cheapest are first.
    """
    met = seen.met()
    common = met >= min(RARE, float(met.max()))
    kept, lost = torch.where(common)[0], torch.where(~common[seen.words])[0]
    words, costs = seen.words.clone(), torch.zeros(WORDS)
    for rows in blocks(lost):
        far = distances(seen.features[rows], centroids)
        nearest = far[:, kept].min(1)
        worse = nearest.values - far.gather(1, words[rows, None])[:, 0]
        costs.index_add_(0, words[rows], seen.weights[rows] * worse)
        words[rows] = kept[nearest.indices]
    rare = torch.where(~common)[0]
    order = costs[rare].argsort(stable=True)
    return rare[order], costs[rare][order], words


def common_splits(seen: Blocks, count: int, price: float) -> list[tuple[int, Halves]]:
    """Up to so many splits of words into halves that both are common, best first.

    What counts is the distance that is saved, less the price of the bits that tell halves apart.
    """
    order = seen.words.argsort(stable=True)
    parts = torch.split(order, torch.bincount(seen.words, minlength=WORDS).tolist())
    heap: list[tuple[float, int, Halves]] = []
    found: list[tuple[int, Halves]] = []
    _offer(heap, seen, price, enumerate(parts))
    while heap and len(found) < count:
        _, word, pair = heapq.heappop(heap)
        last = WORDS + len(found)
        found.append((word, pair))
        _offer(heap, seen, price, zip((word, last), pair.rows, strict=True))
    return found


def _offer(
    heap: list[tuple[float, int, Halves]],
    seen: Blocks,
    price: float,
    words: Iterable[tuple[int, Tensor]],
) -> None:
    """Put words with these rows of blocks on the heap if their halves would be common."""
    least = COMMON * seen.count()
    for word, rows in words:
        pair = halves(seen, rows)
        if pair and all(len(torch.unique(seen.crops[half])) >= least for half in pair.rows):
            heapq.heappush(heap, (price * pair.bits() - pair.saved, word, pair))


def halves(seen: Blocks, rows: Tensor) -> Halves | None:
    """2-means of blocks, from a cut across where they spread most; None where all are the same."""
    if len(rows) < 2:
        return None
    features, weights = seen.features[rows], seen.weights[rows][:, None]
    away = features - (weights * features).sum(0) / weights.sum()
    side = away @ torch.linalg.eigh((weights * away).T @ away).eigenvectors[:, -1] > 0
    for _ in range(ROUNDS):
        if side.all() or not side.any():
            return None
        sides = [torch.where(side == half)[0] for half in (False, True)]
        means = [(weights[s] * features[s]).sum(0) / weights[s].sum() for s in sides]
        centroids = torch.stack(means)
        side = distances(features, centroids).argmin(1) == 1
    left = features - centroids[side.long()]
    saved = (weights * (away.square() - left.square())).sum()
    return Halves((rows[~side], rows[side]), centroids, float(saved))


def inherit(model: Trained, heirs: Heirs) -> None:
    """Give all nodes and words of a new tree what was learned of those that they come from."""
    encoder, decoder, predictor = model.vqgan.encoder, model.vqgan.decoder, model.vqgan.predictor
    nodes, words = torch.tensor(heirs.nodes), torch.tensor(heirs.words)
    before = encoder.centroids.clone()
    after = before[nodes]
    fresh = torch.tensor(list(heirs.centroids))
    after[fresh] = torch.stack(list(heirs.centroids.values()))
    shares = torch.ones(WORDS)
    shares[torch.tensor(list(heirs.shares))] = torch.tensor(list(heirs.shares.values()))
    _settle(model)
    decoder.embedding[:-1] = decoder.embedding[nodes]
    decoder.embedding[:-1, :FEATURES] += after - before[nodes]
    predictor.embedding[:-1] = predictor.embedding[nodes]
    vectors = model.contexts.vectors
    vectors[:-1] = vectors[nodes]
    vectors[fresh] = vectors_of(after[fresh], before)
    encoder.centroids.copy_(after)
    _inherit_words(model, words, shares.log())
    model.books.take(WordTree(np.array(heirs.parent, np.int32), usual_sizes()))


def _settle(model: Trained) -> None:
    """Nodes that are in no book, of which nothing was learned, take after what they are split off.

    Their embeddings start from centroids, whose difference is added.
    """
    decoder, predictor = model.vqgan.decoder, model.vqgan.predictor
    centroids, whole = model.vqgan.encoder.centroids, divided(model.books.parent.tolist())[0]
    known = torch.zeros(NODES + 1, dtype=torch.bool)
    known[model.books.nodes.flatten()] = True
    known[0] = True
    for node in (~known[:MISSING_NODE]).nonzero().flatten().tolist():
        above = whole[(node + 1) // 2]
        decoder.embedding[node] = decoder.embedding[above]
        decoder.embedding[node, :FEATURES] += centroids[node] - centroids[above]
        predictor.embedding[node] = predictor.embedding[above]


def _inherit_words(model: Trained, words: Tensor, log_shares: Tensor) -> None:
    """What networks say of finest words: of a half what they said of the whole, less its share."""
    contexts, leave = model.contexts, model.vqgan.predictor.leave
    contexts.start.copy_(contexts.start[words] + log_shares)
    leave.weight.copy_(leave.weight[words])
    leave.bias.copy_(leave.bias[words] + log_shares)
    for network in contexts.networks:
        if isinstance(network, ContextNetwork):
            biases = network.second_bias.values
            network.second.weight.copy_(network.second.weight[words])
            biases.copy_(biases[:, words] + log_shares)
