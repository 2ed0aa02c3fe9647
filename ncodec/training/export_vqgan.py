"""From a training checkpoint to a weights file, for the `vqgan` codec."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from ncodec.codecs.vqgan_contexts import COARSEST, PEAK, POWERS, VECTOR_BOUND
from ncodec.codecs.vqgan_tiles import CHUNKS, MEANING
from ncodec.codecs.weights import pack_module
from ncodec.entropy.dense_network import EXACT, MAX_HIDDEN, DenseNetwork, quantise_dense
from ncodec.models.pyramid import pyramid
from ncodec.models.word_tree import STEPS, usual_sizes
from ncodec.training.vqgan_contexts import (
    CENTRE,
    Books,
    ContextNetwork,
    Contexts,
    choose,
    weighted_distances,
)
from ncodec.training.weights_file import Arrays, write_weights

if TYPE_CHECKING:
    from ncodec.training.vqgan import Trained

CROPS, CROP = 12, 512
HEAD_ROOM = 1.5
USUAL = 0.995
"""Of contexts, the part whose likeliest word stays within what integers hold."""
OCTAVE = 64
"""Steps of a weight to a factor of two."""
TOP = 4000
"""Where the likeliest words are among 0..4095."""
START_SUM = 1 << 26

Draw = Callable[[int, int], Tensor]


@torch.inference_mode()
def export(model: Trained, draw: Draw, path: Path) -> dict[str, Any]:
    """Write the weights file of a trained model; returns its metadata."""
    arrays: Arrays = dict(pack_module(model.vqgan.state_dict(), "model/"))
    arrays |= {
        "words/parent": model.books.parent.numpy().astype(np.int32),
        "words/sizes": usual_sizes(),
        "entropy/vectors": model.contexts.vectors.numpy().astype(np.uint8),
        "entropy/start": (model.contexts.start.softmax(0) * START_SUM).numpy().astype(np.int32) + 1,
        "entropy/exp2": np.rint(PEAK * 2.0 ** (-np.arange(POWERS) / OCTAVE))
        .clip(1)
        .astype(np.int32),
    }
    seen = _seen(model, draw)
    for number, network in enumerate(model.contexts.networks):
        if isinstance(network, ContextNetwork):
            twin = _twin(network, seen[number])
            arrays |= twin.to_arrays(f"entropy/context/{number + 1}")
    return write_weights(path, arrays, MEANING, networks="model/")


@dataclass(frozen=True)
class Seen:
    """What a network did with contexts: hidden units [n, hidden], and the largest logits [n]."""

    hidden: Tensor
    tops: Tensor

    def level(self) -> tuple[NDArray[np.float64], float]:
        """Weights of hidden units [hidden] that tell the largest logit best, and what is left.

        The latter is a usual one. What is taken from all logits changes no probability. Training
        lets them drift together, by the context: far more than integers hold.
        """
        ones = torch.ones(len(self.hidden), 1)
        inputs, wanted = torch.cat([self.hidden, ones], 1), self.tops[:, None]
        weights = torch.linalg.lstsq(inputs, wanted, driver="gelsd").solution[:-1, 0]
        left = self.tops - self.hidden @ weights
        return _values(weights), float(left.quantile(USUAL))


def _seen(model: Trained, draw: Draw) -> list[Seen]:
    """What each network sees in some pictures."""
    networks = model.contexts.networks
    found = [[Seen(torch.full((1, _hidden(net)), 1e-3), torch.zeros(1))] for net in networks]
    for number in range(CROPS):
        step = number * (STEPS - 1) // (CROPS - 1)
        words = _words(model, draw(1, CROP), step)
        rate = torch.tensor([step / (STEPS - 1)])
        for kind, around in _around(model.contexts, model.books, words, step):
            network = networks[kind - 1]
            if isinstance(network, ContextNetwork):
                found[kind - 1].append(_run(network, around, rate))
    hidden, tops = ([[getattr(x, n) for x in row] for row in found] for n in ("hidden", "tops"))
    return [Seen(torch.cat(h), torch.cat(t)) for h, t in zip(hidden, tops, strict=True)]


def _hidden(network: nn.Module) -> int:
    return len(network.get_submodule("first").get_parameter("weight"))


def _words(model: Trained, planes: Tensor, step: int) -> Tensor:
    encoder = model.vqgan.encoder
    features, weight = encoder(planes)[0], encoder.weight(planes)[0]
    far = weighted_distances(encoder, model.books, features, weight, step)
    return choose(model.contexts, model.books, encoder, far, step)


def _around(contexts: Contexts, books: Books, words: Tensor, step: int) -> list[tuple[int, Tensor]]:
    """Kinds of passes over a map, and what their networks see [n, 128]."""
    found = []
    for first in range(CHUNKS):
        part = words[first::CHUNKS]
        grid = pyramid(len(part), part.shape[1], COARSEST, words.device)
        nodes = books.nodes[step][part.flatten()[grid.order]]
        for turn in grid.passes:
            if turn.around is not None:
                found.append((turn.kind, contexts.vectors[nodes[turn.around]].flatten(1)))
    return found


def _run(network: ContextNetwork, around: Tensor, rate: Tensor) -> Seen:
    """What a network does with contexts [n, 128]."""
    seen = (around - CENTRE) / CENTRE
    hidden = F.relu(network.first(seen) + network.first_bias(rate).flatten(1))
    return Seen(hidden, network(around, rate).amax(1))


def _twin(network: ContextNetwork, seen: Seen) -> DenseNetwork:
    """The integer network: logarithms of weights, in steps of 1/OCTAVE, the largest near TOP."""
    weight = _values(network.first.weight) / CENTRE
    bias = _values(network.first_bias.values) - CENTRE * weight.sum(1)
    # A unit that is hardly ever awake would get more steps than exact sums can hold.
    reach = VECTOR_BOUND * np.abs(weight).sum(1) + np.abs(bias).max(0)
    peaks = _values(seen.hidden.amax(0).clamp_min(1e-3))
    units = np.minimum(MAX_HIDDEN / (HEAD_ROOM * peaks), EXACT / 4 / reach)
    first = quantise_dense(weight * units[:, None], bias * units + 0.5, VECTOR_BOUND, MAX_HIDDEN)
    scale, (common, top) = OCTAVE / np.log(2), seen.level()
    weight = (_values(network.second.weight) - common) / units * scale
    bias = (_values(network.second_bias.values) - top) * scale + TOP + 0.5
    second = quantise_dense(weight, bias, MAX_HIDDEN, POWERS - 1)
    return DenseNetwork(first, second, VECTOR_BOUND)


def _values(tensor: Tensor) -> NDArray[np.float64]:
    values: NDArray[np.float64] = tensor.double().numpy()
    return values
