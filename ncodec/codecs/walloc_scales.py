"""From decoded integers to entropy tables, for the `walloc` codec: integers from end to end."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ncodec.codecs.rate_steps import KNOT_STEPS, interpolate
from ncodec.codecs.weights import Arrays, array
from ncodec.entropy.dense_network import DenseFunction, DenseNetwork
from ncodec.errors import ModelMismatchError
from ncodec.models.pyramid import Pass
from ncodec.models.rates import KNOTS, SCALES
from ncodec.models.walloc_medium import Medium, network_sizes

LEVELS = 256
"""Magnitudes from here on look the same to the context."""
LEVEL_BOUND = 255
START_FRACTION = 256
"""Steps to one scale index in the table of the first group."""


def level_bound(medium: Medium) -> int:
    """The largest input of scale networks."""
    return LEVEL_BOUND * (medium.neighbours if medium.summed else 1)


class ScaleIndexes:
    """The exact networks and tables of one weights file."""

    def __init__(self, arrays: Arrays, medium: Medium) -> None:
        """Take and check what a weights file has; runs the networks' self-tests."""
        self.medium = medium
        self.networks = {
            name: DenseNetwork.from_arrays(arrays, f"entropy/scale/{name}")
            for name in network_sizes(medium)
        }
        found = {name: (net.inputs, net.outputs) for name, net in self.networks.items()}
        if found != network_sizes(medium):
            raise ModelMismatchError("weights: the exact networks do not fit the codec")
        self._check_bounds()
        first = medium.spans(0)[0][1]
        self.start = array(arrays, "entropy/start", np.int32, (KNOTS, first))
        level = array(arrays, "entropy/level", np.int32, (LEVELS,))
        if level.min() < 0 or level.max() > LEVEL_BOUND:
            raise ModelMismatchError("weights: a level is outside of what networks take")
        self._level = torch.from_numpy(level.astype(np.float32))
        self._channels = array(arrays, "entropy/channels", np.int32, (KNOTS,))
        if self._channels.min() < 1 or self._channels.max() > medium.latents:
            raise ModelMismatchError("weights: a number of channels is impossible")

        # All tiles and seconds of a file mostly have the same rate step.
        self._function = lru_cache(maxsize=64)(self._made_function)

    def _check_bounds(self) -> None:
        for name, network in self.networks.items():
            knots = len(network.first.bias)
            bounds = KNOTS, level_bound(self.medium), SCALES - 1
            if (knots, network.input_bound, network.second.high) != bounds:
                raise ModelMismatchError(f"weights: network {name} is made for another codec")

    def channels(self, step: int) -> int:
        """How many channels are coded at a rate step; the others are 0."""
        return int(self._channels[-(-step // KNOT_STEPS)])

    def seen(self, step: int) -> int:
        """How many of the channels that are coded at a rate step contexts look at."""
        return min(self.channels(step), self.medium.seen)

    def spans(self, kind: int, step: int) -> list[tuple[int, int]]:
        """First channel of each group that is coded, and the one after its last."""
        last = self.channels(step)
        spans = self.medium.spans(kind)
        return [(first, min(stop, last)) for first, stop in spans if first < last]

    def of(
        self,
        part: Pass,
        group: int,
        levels: Sequence[Tensor],
        step: int,
        relief: Tensor | None = None,
    ) -> Tensor:
        """Scale indexes 0..63 of a group, float32 [n, .].

        `levels` [n, .] are those around, and those of earlier groups, of channels that are coded
        and seen; `relief` [.] that of their predictors.
        """
        name = f"{part.kind}_{group}"
        if name not in self.networks:
            fine = torch.from_numpy(interpolate(self.start, step) // START_FRACTION)
            return fine.clamp(0, SCALES - 1).float().expand(part.stop - part.start, -1)
        return self._function(name, step)(levels, relief)

    def _made_function(self, name: str, step: int) -> DenseFunction:
        """The network of a kind of pass and a group at a rate step."""
        network, (kind, group) = self.networks[name], map(int, name.split("_"))
        biases = [interpolate(layer.bias, step) for layer in (network.first, network.second)]
        before = self.medium.spans(kind)[group][0]
        return network.at(biases, self._columns(kind, before, self.seen(step)))

    def _columns(self, kind: int, before: int, coded: int) -> Tensor | None:
        """Which inputs come from channels that are coded; None if all do.

        `coded` are those of them that contexts see, `before` those of earlier groups.
        """
        whole = self.medium.seen
        if coded == whole:
            return None
        count = (self.medium.views if kind else 0) + bool(self.medium.reliefs(kind))
        each = torch.arange(count)[:, None] * whole + torch.arange(coded)
        return torch.cat([each.flatten(), count * whole + torch.arange(before)])

    def level(self, symbols: Tensor) -> Tensor:
        """Levels of symbols, int32 of any shape, as the networks take them: float32."""
        place = symbols.abs().clamp_(max=LEVELS - 1)
        return self._level.index_select(0, place.flatten()).reshape(place.shape)
