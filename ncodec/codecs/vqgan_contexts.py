"""How likely is each word? Tables and small exact networks, for the codec `vqgan`.

What they see of a word is what it means at the rate step: a few whole numbers, learned with the
networks. Everything is integer from end to end.
"""

from functools import lru_cache, partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ncodec.codecs.rate_steps import interpolate
from ncodec.codecs.weights import Arrays, array
from ncodec.entropy.dense import MAX_SUM
from ncodec.entropy.dense_network import DenseFunction, DenseNetwork
from ncodec.errors import ModelMismatchError
from ncodec.models.pyramid import NEIGHBOURS, Pass, Pyramid, kinds, pyramid
from ncodec.models.word_tree import MISSING_NODE, NODES, STEPS, STEPS_AN_OCTAVE, WORDS, WordTree

COARSEST = 4
"""Distance of the positions that are coded first."""
KINDS = kinds(COARSEST)
KNOTS = 7
"""Octaves of codebook sizes, from 16 to 1,024: the networks have biases for each."""
VECTOR = 32
"""Whole numbers 0..255 that a network sees of each neighbour."""
VECTOR_BOUND = 255
POWERS = 4096
PEAK = 1 << 18
"""Largest weight: a row's sum is then at most 2**28, as the range coder wants it."""
CPU = torch.device("cpu")

Weights = NDArray[np.int32]


class ContextModel:
    """Tables and networks of a weights file, and how its words are nested.

    Attributes:
        codebook: the words of a rate step, made once: `codebook(step)`.
    """

    def __init__(self, arrays: Arrays) -> None:
        """Take and check what a weights file has; runs the networks' self-tests."""
        parent = array(arrays, "words/parent", np.int32, (WORDS,))
        self.tree = WordTree(parent, array(arrays, "words/sizes", np.int32, (STEPS,)))
        self.vectors = array(arrays, "entropy/vectors", np.uint8, (NODES + 1, VECTOR))
        self.start = array(arrays, "entropy/start", np.int32, (WORDS,))
        self.powers = array(arrays, "entropy/exp2", np.int32, (POWERS,))
        if self.start.min() < 1 or self.start.sum(dtype=np.int64) > MAX_SUM:
            raise ModelMismatchError("weights entropy/start: not what the range coder takes")
        if self.powers.min() < 1 or self.powers.max() > PEAK:
            raise ModelMismatchError("weights entropy/exp2: not what the range coder takes")
        self.networks = [
            DenseNetwork.from_arrays(arrays, f"entropy/context/{kind}") for kind in range(1, KINDS)
        ]
        for network in self.networks:
            _check(network)
        self.codebook = lru_cache(maxsize=STEPS)(partial(Codebook, self))


def _check(network: DenseNetwork) -> None:
    found = (network.inputs, network.outputs, len(network.first.bias))
    bounds = (network.input_bound, network.second.high)
    if found != (NEIGHBOURS * VECTOR, WORDS, KNOTS) or bounds != (VECTOR_BOUND, POWERS - 1):
        raise ModelMismatchError("weights: an exact network does not fit the codec")


class Codebook:
    """The words 0..size-1 of a rate step; `size` itself stands where there is no word.

    Attributes:
        nodes: what each of them means, [size + 1].
    """

    def __init__(self, model: ContextModel, step: int) -> None:
        self.model = model
        self.size = model.tree.size(step)
        self.nodes = np.append(model.tree.nodes(self.size), MISSING_NODE)
        self.coarse = model.tree.coarse(self.size)
        self._vectors = torch.from_numpy(model.vectors[self.nodes].astype(np.float32))
        self._order = np.argsort(self.coarse, kind="stable")
        self._starts = np.searchsorted(self.coarse[self._order], np.arange(self.size))
        self._networks = [_at(network, step) for network in model.networks]
        self._start = self._merged(model.start[None])

    def weights(self, part: Pass, words: Tensor) -> Weights:
        """How likely each word is at the positions of a pass: [n, size].

        `words` [.] are those of earlier passes, in coding order.
        """
        if part.around is None:
            return np.repeat(self._start, part.stop - part.start, axis=0)
        around = self._vectors[words[part.around]].flatten(1)
        outputs = self._networks[part.kind - 1]([around])
        below = outputs.amax(1, keepdim=True) - outputs
        return self._merged(self.model.powers[below.numpy().astype(np.intp)])

    def _merged(self, weights: Weights) -> Weights:
        """Weights [n, 1024] of the finest words, summed over those that are one word here."""
        if self.size == WORDS:
            return weights
        merged: Weights = np.add.reduceat(weights[:, self._order], self._starts, 1, np.int32)
        return merged


def _at(network: DenseNetwork, step: int) -> DenseFunction:
    """What a network is at a rate step."""
    layers = (network.first, network.second)
    return network.at([interpolate(layer.bias, step, STEPS_AN_OCTAVE) for layer in layers])


def grid_of(rows: int, width: int) -> Pyramid:
    """The order in which a map of words [rows, width] is coded."""
    return pyramid(rows, width, COARSEST, CPU)


def is_last(part: Pass) -> bool:
    """Whether no context sees the words of a pass."""
    return part.kind == KINDS - 1


def last_pass(rows: int, width: int) -> Tensor:
    """Which words of a map no context sees, bool [rows, width]: about every other one."""
    grid = grid_of(rows, width)
    found = torch.zeros(rows * width, dtype=torch.bool)
    for part in grid.passes:
        if is_last(part):
            found[grid.order[part.start : part.stop]] = True
    return found.reshape(rows, width)


def coarser(words: Tensor, finer: Codebook, book: Codebook) -> Tensor:
    """The words of a smaller codebook that words [.] of a larger one were split off."""
    found = np.append(book.coarse[: finer.size], book.size).astype(np.int64)
    return torch.from_numpy(found)[words]
