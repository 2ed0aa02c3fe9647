"""The words of the `vqgan` codec: components of blocks, 1,024 clusters, and how clusters merge.

Words are found by k-means on features of blocks; then the two that cost least are merged, again and
again (Ward, "Hierarchical Grouping to Optimize an Objective Function", 1963). Read backwards, that
tells which word is split off which: a codebook for every size.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ncodec.models.blocks import bias_of
from ncodec.models.vqgan import (
    COMPONENTS,
    EMBEDDING,
    FEATURES,
    PIXELS,
    STRIDE,
    Vqgan,
    opponent,
)
from ncodec.models.word_tree import NODES, STEPS, STEPS_AN_OCTAVE, WORDS, WordTree, usual_sizes
from ncodec.training.linear_fit import components

BATCHES, BATCH, CROP = 400, 8, 128
ROUNDS, EXTRA, LAST_ROUNDS = 8, (115,) * 12, 8
"""Rounds of k-means before and after those that take this many clusters away."""
PORTION = 16_384
QUIET = 0.1
BITS_A_DOUBLING = 0.6
"""What twice as many words cost, in bits a word: neighbours tell the rest (measured)."""
EAGER = ((0, 80, 96), (0.5, 0.5, 0.2))
"""At these rate steps, the part of the slope of distance against bits that a bit may cost.

Words that cost many bits are avoided then, the finest ones least of all (measured: the whole slope
costs more distance than a smaller codebook does at equal bits).
"""

Draw = Callable[[int, int], Tensor]
"""`count` crops of `size`: pixels minus 0.5 [B, 3, size, size]."""


@dataclass(frozen=True)
class Clusters:
    """Centroids [K, FEATURES] and the total weight of each [K]."""

    centroids: Tensor
    weights: Tensor


@torch.no_grad()
def start(model: Vqgan, draw: Draw) -> tuple[WordTree, Tensor]:
    """Set the model's components and words; the painter starts with mean blocks alone.

    Returns how words are nested, and how much weight falls on each [1024].
    """
    basis = _components(draw)
    model.encoder.basis.copy_(basis)
    model.decoder.basis.copy_(basis)
    features, weights = _features(model, draw)
    clusters = cluster(features, weights)
    tree, nodes, masses = merged(clusters)
    model.encoder.centroids.copy_(nodes)
    model.encoder.slopes.copy_(_slopes(model, tree, features, weights))
    scatter = 0.02 * torch.randn(NODES, EMBEDDING)
    scatter[:, :COMPONENTS] = nodes[:, :COMPONENTS]
    scatter[:, COMPONENTS:FEATURES] += nodes[:, COMPONENTS:]
    model.decoder.embedding[:-1].copy_(scatter)
    for layer in (model.decoder.leave, model.decoder.correct):
        layer.weight.mul_(QUIET)
        bias_of(layer).zero_()
    return tree, masses


def _components(draw: Draw) -> Tensor:
    """The strongest components of blocks [COMPONENTS, 768], over the mean of which they go."""
    total = torch.zeros(PIXELS, PIXELS, dtype=torch.float64)
    for _ in range(BATCHES // 4):
        blocks = torch.nn.functional.pixel_unshuffle(opponent(draw(BATCH, CROP)), STRIDE)
        rows = blocks.transpose(0, 1).flatten(1).double()
        total += rows @ rows.T
    return components(total, COMPONENTS)[0]


def _features(model: Vqgan, draw: Draw) -> tuple[Tensor, Tensor]:
    """Features [N, FEATURES] of many blocks and what each weighs [N]."""
    features, weights = [], []
    for _ in range(BATCHES):
        planes = draw(BATCH, CROP)
        features.append(model.encoder(planes).permute(0, 2, 3, 1).reshape(-1, FEATURES))
        weights.append(model.encoder.weight(planes).flatten())
    return torch.cat(features), torch.cat(weights)


def distances(features: Tensor, centroids: Tensor) -> Tensor:
    """Squared distances [N, K] of features [N, F] from centroids [K, F]."""
    cross = features @ centroids.T
    found = features.square().sum(1, keepdim=True) - 2 * cross + centroids.square().sum(1)
    return found.clamp_min(0)


def cluster(features: Tensor, weights: Tensor, seed: int = 0) -> Clusters:
    """Weighted k-means into 1,024 clusters, by way of many more.

    Left alone, a quarter of the words would serve a few pictures of odd colours. So clusters that
    are met in the fewest crops are taken away, some at a time, while the others move.
    """
    generator = torch.Generator().manual_seed(seed)
    centroids = features[torch.multinomial(weights, sum(EXTRA) + WORDS, generator=generator)]
    totals = weights.new_zeros(0)
    for count in (*(0,) * ROUNDS, *EXTRA, *(0,) * LAST_ROUNDS):
        nearest = torch.cat([distances(x, centroids).argmin(1) for x in blocks(features)])
        totals = weights.new_zeros(len(centroids)).index_add(0, nearest, weights)
        sums = torch.zeros_like(centroids).index_add(0, nearest, features * weights[:, None])
        centroids = sums / totals.clamp_min(1e-9)[:, None]
        kept = _crops(nearest, len(centroids)).topk(len(centroids) - count).indices
        centroids, totals = centroids[kept], totals[kept]
    return Clusters(centroids, totals)


def _crops(nearest: Tensor, count: int) -> Tensor:
    """In how many crops each cluster is met: [count]."""
    a_crop = (CROP // STRIDE) ** 2
    crop = torch.arange(len(nearest)) // a_crop
    pairs = torch.unique(nearest * len(nearest) + crop)
    return torch.bincount(pairs // len(nearest), minlength=count)


def blocks(features: Tensor) -> Sequence[Tensor]:
    """Rows in portions, whose distances from all words fit into memory."""
    return torch.split(features, PORTION)


def merged(clusters: Clusters) -> tuple[WordTree, Tensor, Tensor]:
    """The tree of words, the centroid of every node [2047, FEATURES], weights of words [1024]."""
    merges, centroids = _ward(clusters)
    parent, nodes = np.zeros(WORDS, np.int32), torch.zeros(NODES, FEATURES)
    nodes[0] = centroids[merges[-1][2]]
    word_of = {merges[-1][2]: 0}
    for word, (left, right, whole) in enumerate(reversed(merges), start=1):
        parent[word] = word_of.pop(whole)
        word_of[left], word_of[right] = int(parent[word]), word
        nodes[2 * word - 1], nodes[2 * word] = centroids[left], centroids[right]
    order = sorted(word_of, key=word_of.__getitem__)
    return WordTree(parent, usual_sizes()), nodes, clusters.weights[order]


def _ward(clusters: Clusters) -> tuple[list[tuple[int, int, int]], list[Tensor]]:
    """All merges, cheapest first: numbers of the heavier, the lighter and the merged cluster."""
    points = list(clusters.centroids.double())
    centroids, masses = clusters.centroids.double().clone(), clusters.weights.double().clone()
    costs = _costs(centroids, masses).fill_diagonal_(torch.inf)
    number, merges = list(range(WORDS)), []
    for _ in range(WORDS - 1):
        a, b = divmod(int(costs.argmin()), WORDS)
        a, b = (a, b) if masses[a] >= masses[b] else (b, a)
        whole = masses[a] + masses[b]
        centroids[a] = (masses[a] * centroids[a] + masses[b] * centroids[b]) / whole
        masses[a] = whole
        merges.append((number[a], number[b], len(points)))
        number[a] = len(points)
        points.append(centroids[a].clone())
        costs[b], costs[:, b] = torch.inf, torch.inf
        row = masses[a] * masses / (masses[a] + masses) * (centroids - centroids[a]).square().sum(1)
        row = torch.where(costs[a].isinf(), costs[a], row)
        costs[a], costs[:, a] = row, row
    return merges, [point.float() for point in points]


def _costs(centroids: Tensor, masses: Tensor) -> Tensor:
    """What merging two clusters adds to the weighted squared error: [K, K]."""
    return masses[:, None] * masses / (masses[:, None] + masses) * distances(centroids, centroids)


def _slopes(model: Vqgan, tree: WordTree, features: Tensor, weights: Tensor) -> Tensor:
    """The price of a bit at each rate step [97]: what a finer codebook saves for a bit."""
    octaves = range(0, STEPS, STEPS_AN_OCTAVE)
    errors = [_error(model, tree, step, features[:65_536], weights) for step in octaves]
    saved = -np.gradient(np.array(errors)) / BITS_A_DOUBLING
    steps = np.arange(STEPS)
    between = np.interp(steps, list(octaves), saved) * np.interp(steps, *EAGER)
    return torch.from_numpy(between).float()


def _error(model: Vqgan, tree: WordTree, step: int, features: Tensor, weights: Tensor) -> float:
    """Mean weighted squared distance of blocks from the nearest word."""
    nodes: NDArray[np.int32] = tree.nodes(tree.size(step))
    centroids = model.encoder.centroids[torch.from_numpy(nodes).long()]
    found = torch.cat([distances(x, centroids).amin(1) for x in blocks(features)])
    return float((found * weights[: len(found)]).mean())
