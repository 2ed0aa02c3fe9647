"""From a weights file back to a model that can be trained further, for the `hyperprior` codec.

A weights file has integers in place of the parts that only training needs. Their inverses are good
to a few thousandths, so that training goes on from where it was within a few hundred steps.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ncodec.codecs.hyperprior_latents import HYPER_FRACTION, MEANING, MULTIPLIER_BITS
from ncodec.codecs.hyperprior_scales import INDEX_FRACTION, NETWORKS
from ncodec.codecs.weights import array, read_verified
from ncodec.entropy import Tables
from ncodec.entropy.integer_network import IntegerNetwork
from ncodec.errors import ModelMismatchError
from ncodec.models.hyperprior import HYPER, LATENTS, TRAINING_ONLY, Hyperprior
from ncodec.models.rates import KNOTS, LOG_SCALE_STEP, SCALE_MIN
from ncodec.training.exact_scales import LEVEL_UNIT
from ncodec.training.restoring import restore_floats

UNIT = 8192.0
"""Integer steps to one unit of a hidden activation; any would do."""
INDEX_UNIT = INDEX_FRACTION / LOG_SCALE_STEP
SMALLEST_DEVIATION = 0.1


@torch.no_grad()
def restore(model: Hyperprior, weights: Path) -> None:
    """Fill `model` from a weights file. Raises `ModelError`s where it is of another kind."""
    arrays, _ = read_verified(weights, MEANING)
    try:
        restore_floats(model, arrays, TRAINING_ONLY)
        _restore_scales(model, arrays)
        _restore_hyper(model, arrays)
    except (KeyError, ValueError, RuntimeError) as error:
        raise ModelMismatchError(f"{weights}: weights of another model ({error})") from error


def _restore_scales(model: Hyperprior, arrays: Mapping[str, NDArray[Any]]) -> None:
    found = {n: IntegerNetwork.from_arrays(arrays, f"entropy/scale/{n}") for n in NETWORKS}
    layers = {name: _float_layers(network) for name, network in found.items()}
    prior, (first, second) = model.scale_prior, layers["trunk"]
    _fill(prior.trunk.first, first, HYPER_FRACTION, UNIT)
    _fill(prior.trunk.second, second, UNIT, UNIT)
    (head,), (others,) = layers["anchors"], layers["others"]
    start = math.log(SCALE_MIN) * INDEX_UNIT
    _fill(prior.head, (head[0], head[1] + start), UNIT, INDEX_UNIT)
    _fill(prior.last, (others[0][:, HYPER:], others[1] - head[1]), UNIT, INDEX_UNIT)
    _fill(prior.here, layers["here"][0], UNIT, UNIT)
    kernel = prior.around.weight.zero_()
    parts = layers["around"][0][0].reshape(4, *kernel.shape[:2]) * (LEVEL_UNIT / UNIT)
    kernel[:, :, [0, 1, 1, 2], [1, 0, 2, 1]] = parts.permute(1, 2, 0).to(kernel)
    offset = array(arrays, "entropy/scale_offset", np.int16, (KNOTS, LATENTS))
    shift = torch.from_numpy(offset.astype(np.float32)) / INDEX_UNIT
    model.scale_shift.values.copy_(shift - model.log_gain.values)


def _restore_hyper(model: Hyperprior, arrays: Mapping[str, NDArray[Any]]) -> None:
    multiplier = array(arrays, "entropy/hyper_multiplier", np.int32, (KNOTS, HYPER))
    if multiplier.min() < 1:
        raise ModelMismatchError("weights: a multiplier of the hyperlatent is below 1")
    gain = torch.from_numpy(multiplier.astype(np.float32)) / 2**MULTIPLIER_BITS
    model.hyper_log_gain.values.copy_(-gain.log())
    tables = Tables.from_arrays(arrays, "entropy/hyper")
    moments = [_moments(tables, row) for row in range(tables.rows)]
    center, deviation = torch.tensor(moments).T.reshape(2, KNOTS, HYPER)
    model.hyper_center.values.copy_(center)
    model.hyper_log_scale.values.copy_(deviation.log())


def _float_layers(network: IntegerNetwork) -> list[tuple[Tensor, Tensor]]:
    """Weight and bias of each layer, from integers in to integers out."""
    found = []
    for layer in network.layers:
        factor = layer.multiplier / 2.0**layer.shift
        weight, bias = layer.weight * factor[:, None, None, None], layer.bias * factor
        found.append((torch.from_numpy(weight), torch.from_numpy(bias)))
    return found


def _fill(module: nn.Conv2d, layer: tuple[Tensor, Tensor], unit_in: float, unit: float) -> None:
    """Set a layer whose inputs and outputs have so many integer steps to the unit."""
    if layer[0].shape != module.weight.shape:
        raise ValueError(f"a layer of {list(layer[0].shape)}, not {list(module.weight.shape)}")
    module.weight.copy_(layer[0] * (unit_in / unit))
    if module.bias is not None:
        module.bias.copy_(layer[1] / unit)


def _moments(tables: Tables, row: int) -> tuple[float, float]:
    """Mean and standard deviation of a table before rounding, the escape left out."""
    last = int(tables.length[row]) - 1
    masses = tables.counts[row, :last] / tables.counts[row, :last].sum()
    values = tables.low[row] + np.arange(last)
    mean = float((masses * values).sum())
    variance = float((masses * (values - mean) ** 2).sum()) - 1 / 12
    return mean, max(SMALLEST_DEVIATION, math.sqrt(max(variance, 0.0)))
