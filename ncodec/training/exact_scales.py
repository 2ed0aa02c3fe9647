"""Exact integer twins of a trained `ScalePrior`, for the weights file of the `hyperprior` codec."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ncodec.codecs.checkerboard import Checkerboard
from ncodec.codecs.hyperprior_latents import HYPER_FRACTION
from ncodec.codecs.hyperprior_scales import INDEX_FRACTION, LEVELS
from ncodec.entropy.integer_network import (
    MAX_ACTIVATION,
    IntegerNetwork,
    quantise_activations,
    quantise_network,
)
from ncodec.models.blocks import bias_of, checkerboard
from ncodec.models.hyperprior import Hyperprior
from ncodec.models.rates import KNOTS, LOG_SCALE_STEP, SCALE_MIN
from ncodec.models.transforms import cross

INDEX_BOUND = 8191
INPUT_BOUND = 1 << 16
HEAD_ROOM = 2.0
LEVEL_UNIT = 2048
LEVEL_TABLE = np.rint(LEVEL_UNIT * np.log2(1 + np.arange(LEVELS))).astype(np.int32)
"""Magnitudes of anchors as the context sees them: logarithms, in integers."""


def exact_scales(
    model: Hyperprior, latents: list[Tensor], random: np.random.Generator
) -> dict[str, NDArray[Any]]:
    """Arrays `entropy/level` and `entropy/scale/...`, calibrated on latents [1, M, h, w]."""
    prior = model.scale_prior
    hyper, levels = zip(*(_calibration(model, y, random) for y in latents), strict=True)
    trunk, unit = _trunk(model, hyper)
    boards = [Checkerboard(level.shape[2], level.shape[3], level.device) for level in levels]
    features = [board.others(trunk(z.long())) for board, z in zip(boards, hyper, strict=True)]
    anchors = [board.anchors(level) for board, level in zip(boards, levels, strict=True)]
    around, here, steps = _hidden(model, unit, anchors, features)
    start = torch.tensor(SCALE_MIN).log()
    head, last = prior.head.weight / unit, prior.last.weight / steps
    bias = bias_of(prior.head) - start
    networks = {
        "trunk": trunk,
        "anchors": _index_network(head, bias),
        "around": around,
        "here": here,
        "others": _index_network(torch.cat([head, last], 1), bias + bias_of(prior.last)),
    }
    found: dict[str, NDArray[Any]] = {"entropy/level": LEVEL_TABLE}
    for name, network in networks.items():
        found |= network.to_arrays(f"entropy/scale/{name}")
    return found


def _calibration(
    model: Hyperprior, y: Tensor, random: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """A hyperlatent in 64ths and the levels of the anchors, as they are at a random knot's rate."""
    rate = torch.tensor([float(random.integers(KNOTS)) / (KNOTS - 1)])
    gain = model.hyper_log_gain(rate).exp()
    z_hat = (model.hyper_analysis(y) * gain).round() / gain
    mean = model.context.anchors(model.hyper_mean(z_hat))
    anchors = ((y - mean) * model.gain(rate)).round() * checkerboard(y)
    level = torch.from_numpy(LEVEL_TABLE)[anchors.abs().clamp(max=LEVELS - 1).long()]
    return (z_hat * HYPER_FRACTION).round(), level


def _trunk(model: Hyperprior, hyper: tuple[Tensor, ...]) -> tuple[IntegerNetwork, float]:
    trunk = model.scale_prior.trunk
    first, second = trunk.first, trunk.second
    layers = [
        (first.weight / HYPER_FRACTION, bias_of(first), True),
        (second.weight, bias_of(second), True),
    ]
    return quantise_activations(layers, hyper, INPUT_BOUND)


def _hidden(
    model: Hyperprior, unit: float, anchors: list[Tensor], features: list[Tensor]
) -> tuple[IntegerNetwork, IntegerNetwork, float]:
    """What anchors and features add to the hidden layer, in the same steps per unit: the third."""
    prior = model.scale_prior
    around, here = cross(prior.around.weight) / LEVEL_UNIT, prior.here.weight / unit
    parts = [F.conv2d(level.float(), around) for level in anchors]
    parts += [F.conv2d(feature.float(), here, bias_of(prior.here)) for feature in features]
    peak = max(float(part.abs().amax()) for part in parts if part.numel())
    steps = MAX_ACTIVATION / (HEAD_ROOM * (peak or 1.0))
    bound = MAX_ACTIVATION
    return (
        _single(around, torch.zeros(len(around)), steps, bound),
        _single(here, bias_of(prior.here), steps, bound),
        steps,
    )


def _index_network(weight: Tensor, bias: Tensor) -> IntegerNetwork:
    return _single(weight, bias, INDEX_FRACTION / LOG_SCALE_STEP, INDEX_BOUND)


def _single(weight: Tensor, bias: Tensor, steps: float, bound: int) -> IntegerNetwork:
    """One 1x1 layer without a ReLU: outputs in `steps` per unit, clamped to +-`bound`."""
    return quantise_network(
        [(weight, bias, False)],
        [torch.zeros(1, weight.shape[1], 1, 1)],
        output_scale=steps,
        low=-bound,
        high=bound,
        input_bound=MAX_ACTIVATION,
    )
