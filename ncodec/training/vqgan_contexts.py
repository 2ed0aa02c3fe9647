"""How likely each word is, while training: the networks in floating point, and words chosen by it.

`ncodec.codecs.vqgan_contexts` runs the integer twins of these networks.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ncodec.codecs.vqgan_contexts import COARSEST, KINDS, KNOTS, VECTOR, VECTOR_BOUND
from ncodec.codecs.vqgan_tiles import CHUNKS
from ncodec.models.blocks import RateTable
from ncodec.models.pyramid import NEIGHBOURS, Pass, pyramid
from ncodec.models.vqgan import BlockEncoder
from ncodec.models.word_tree import MISSING_NODE, NODES, STEPS, WORDS, WordTree
from ncodec.training.vqgan_words import distances

HIDDEN = 128
CENTRE, SPREAD = 128, 40
"""Where 0 lies among 0..255, and how far one standard deviation is."""


class Books(nn.Module):
    """The nested codebooks as tensors.

    Attributes:
        parent: which word each was split off, [1024].
        coarse: the word at each rate step that each of the finest words belongs to, [97, 1024].
        nodes: what each word means at each rate step, [97, 1024]; missing beyond the last word.
        sizes: words at each rate step, [97].
    """

    parent: Tensor
    coarse: Tensor
    nodes: Tensor
    sizes: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("parent", torch.zeros(WORDS, dtype=torch.int64))
        self.register_buffer("coarse", torch.zeros(STEPS, WORDS, dtype=torch.int64))
        self.register_buffer("nodes", torch.full((STEPS, WORDS), MISSING_NODE))
        self.register_buffer("sizes", torch.zeros(STEPS, dtype=torch.int64))

    def take(self, tree: WordTree) -> None:
        """Set the codebooks."""
        self.parent.copy_(torch.from_numpy(tree.parent))
        for step in range(STEPS):
            size = tree.size(step)
            self.sizes[step] = size
            self.coarse[step] = torch.from_numpy(tree.coarse(size))
            self.nodes[step, :size] = torch.from_numpy(tree.nodes(size))

    def size(self, step: int) -> int:
        """Words at a rate step."""
        return int(self.sizes[step])


class ContextNetwork(nn.Module):
    """Logits of the finest words, from what stands around: one hidden layer, biases by the rate."""

    def __init__(self) -> None:
        super().__init__()
        self.first: nn.Linear = nn.Linear(NEIGHBOURS * VECTOR, HIDDEN, bias=False)
        self.first_bias = RateTable(KNOTS, HIDDEN)
        self.second = nn.Linear(HIDDEN, WORDS, bias=False)
        self.second_bias = RateTable(KNOTS, WORDS)

    def forward(self, around: Tensor, rate: Tensor) -> Tensor:
        """Whole numbers [n, 128] at a rate [1] -> logits [n, 1024]."""
        seen = (around - CENTRE) / CENTRE
        hidden = F.relu(self.first(seen) + self.first_bias(rate).flatten(1))
        found: Tensor = self.second(hidden) + self.second_bias(rate).flatten(1)
        return found


class Contexts(nn.Module):
    """Networks of every kind of pass but the first, which has `start` alone.

    Attributes:
        vectors: what networks see of each node, whole numbers [2048, 32].
    """

    vectors: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("vectors", torch.full((NODES + 1, VECTOR), float(CENTRE)))
        self.start = nn.Parameter(torch.zeros(WORDS))
        self.networks = nn.ModuleList(ContextNetwork() for _ in range(1, KINDS))

    @torch.no_grad()
    def begin(self, centroids: Tensor, weights: Tensor) -> None:
        """Take centroids of nodes [2047, F] and how often each finest word is met [1024]."""
        self.vectors[:-1] = vectors_of(centroids, centroids)
        self.start.copy_((weights / weights.sum()).clamp_min(1e-6).log())
        for network in self.networks:
            network.get_submodule("second").get_parameter("weight").mul_(0.1)
            network.get_submodule("second_bias").get_parameter("values").copy_(
                self.start.expand(KNOTS, -1)
            )

    def logits(self, part: Pass, nodes: Tensor, step: int) -> Tensor:
        """Logits [n, 1024] of a pass, from the nodes [.] of earlier ones in coding order."""
        if part.around is None:
            return self.start.expand(part.stop - part.start, -1)
        rate = torch.tensor([step / (STEPS - 1)], device=nodes.device)
        found: Tensor = self.networks[part.kind - 1](
            self.vectors[nodes[part.around]].flatten(1), rate
        )
        return found


def vectors_of(centroids: Tensor, usual: Tensor) -> Tensor:
    """What networks see of nodes with these centroids [n, F] where the usual are [2047, F]."""
    seen, all_seen = (torch.cat([x[:, : VECTOR - 2], x[:, -2:]], 1) for x in (centroids, usual))
    scaled = CENTRE + SPREAD * (seen - all_seen.mean(0)) / all_seen.std(0)
    return scaled.round().clamp(0, VECTOR_BOUND)


def chunks(height: int, width: int) -> Iterator[tuple[int, int, int]]:
    """First row, rows and width of the parts of a map that are coded on their own."""
    for first in range(min(CHUNKS, height)):
        yield first, -(-(height - first) // CHUNKS), width


@torch.no_grad()
def choose(
    contexts: Contexts, books: Books, encoder: BlockEncoder, far: Tensor, step: int
) -> Tensor:
    """Words [h, w] as the codec chooses them, from distances [h, w, K] and the price of bits."""
    words = torch.empty(far.shape[:2], dtype=torch.int64, device=far.device)
    coarse, nodes, slope = books.coarse[step], books.nodes[step], float(encoder.slopes[step])
    for first, rows, width in chunks(*far.shape[:2]):
        grid = pyramid(rows, width, COARSEST, far.device)
        wanted = far[first::CHUNKS].flatten(0, 1)[grid.order]
        found = torch.zeros(len(wanted), dtype=torch.int64, device=far.device)
        for part in grid.passes:
            likely = contexts.logits(part, nodes[found], step).softmax(1)
            merged = torch.zeros_like(wanted[part.start : part.stop])
            bits = -merged.index_add_(1, coarse, likely).clamp_min_(1e-9).log2_()
            cost = wanted[part.start : part.stop] + slope * bits
            found[part.start : part.stop] = cost.argmin(1)
        words[first::CHUNKS] = found[grid.rank].reshape(rows, width)
    return words


def weighted_distances(
    encoder: BlockEncoder, books: Books, features: Tensor, weight: Tensor, step: int
) -> Tensor:
    """Distances [h, w, K] of features [F, h, w] from the words of a rate step, times [1, h, w]."""
    centroids = encoder.centroids[books.nodes[step, : books.size(step)]]
    far = distances(features.flatten(1).T, centroids) * weight.flatten()[:, None]
    return far.reshape(*features.shape[1:], -1)


def code_bits(contexts: Contexts, books: Books, words: Tensor, step: int) -> Tensor:
    """Bits of all words of a map [h, w], a number."""
    total = contexts.start.new_zeros(())
    for first, rows, width in chunks(*words.shape):
        grid = pyramid(rows, width, COARSEST, words.device)
        ordered = words[first::CHUNKS].flatten()[grid.order]
        nodes = books.nodes[step][ordered]
        for part in grid.passes:
            logits = contexts.logits(part, nodes, step)
            total = total + nats(logits, ordered[part.start : part.stop], books.coarse[step]).sum()
    return total / torch.log(torch.tensor(2.0))


def nats(logits: Tensor, words: Tensor, coarse: Tensor) -> Tensor:
    """Code lengths [n] of words [n] that stand for all finest words [1024] with this `coarse`."""
    inside = coarse == words[:, None]
    own = logits.masked_fill(~inside, -torch.inf).logsumexp(1)
    return logits.logsumexp(1) - own
