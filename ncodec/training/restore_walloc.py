"""From a weights file back to a model that can be trained further, for the `walloc` codec.

A weights file has integers in place of the parts that only training needs; their inverses are as
good as the integers are fine.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ncodec.codecs.walloc_latents import meaning
from ncodec.codecs.walloc_scales import START_FRACTION, ScaleIndexes
from ncodec.codecs.weights import Arrays, array, read_verified
from ncodec.entropy import Tables
from ncodec.entropy.dense_network import DenseLayer, DenseNetwork
from ncodec.errors import ModelMismatchError
from ncodec.models.prediction import PREDICTORS, Predictors
from ncodec.models.rates import LOG_SCALE_STEP, SCALE_MIN
from ncodec.models.walloc import TRAINING_ONLY, ScaleNetwork, Walloc
from ncodec.training.export_walloc import LEVEL_UNIT
from ncodec.training.restoring import restore_floats

OFFSET = float(np.log(SCALE_MIN))


@torch.no_grad()
def restore(model: Walloc, weights: Path) -> None:
    """Fill `model` from a weights file. Raises `ModelError`s where it is of another kind."""
    arrays, _ = read_verified(weights, meaning(model.medium))
    restore_floats(model, arrays, TRAINING_ONLY)
    scales = ScaleIndexes(arrays, model.medium)
    start = torch.from_numpy(scales.start / START_FRACTION - 0.5)
    model.prior.start.values.copy_(start * LOG_SCALE_STEP + OFFSET)
    for name, network in scales.networks.items():
        _restore_network(model.prior.scales.get_submodule(name), network, name)
    if not model.medium.foreseen:
        _restore_predictors(model.prior.predictors, arrays)


def _restore_network(module: torch.nn.Module, network: DenseNetwork, name: str) -> None:
    first, first_bias = _floats(network.first)
    second, second_bias = _floats(network.second)
    if not isinstance(module, ScaleNetwork) or module.first.weight.shape != first.shape:
        raise ModelMismatchError(f"weights: scale network {name} is of another size")
    first, second = first * LEVEL_UNIT, second * LOG_SCALE_STEP
    # Integer units are all about as large; here a unit gets weights that are alike on both sides,
    # as training leaves them: how fast they learn depends on it.
    size = (second.norm(dim=0) / first.norm(dim=1).clamp_min(1e-6)).clamp_min(1e-6).sqrt()
    module.first.weight.copy_(first * size[:, None])
    module.first_bias.values.copy_(first_bias * size)
    module.second.weight.copy_(second / size)
    module.second_bias.values.copy_(second_bias * LOG_SCALE_STEP + OFFSET)


def _floats(layer: DenseLayer) -> tuple[Tensor, Tensor]:
    """Weight [out, in] and biases [knots, out] from integers in to integers out."""
    factor = 2.0 ** -layer.shift.astype(np.float64)
    # Half a unit was added, so that rounding down is rounding.
    return torch.from_numpy(layer.weight * factor[:, None]), torch.from_numpy(
        layer.bias * factor - 0.5
    )


def _restore_predictors(predictors: Predictors, arrays: Arrays) -> None:
    relief = array(arrays, "entropy/predictor/relief", np.int32, (PREDICTORS,))
    predictors.relief.copy_(torch.from_numpy(relief / LEVEL_UNIT))
    counts = Tables.from_arrays(arrays, "entropy/predictor").counts[:, :PREDICTORS]
    masses = counts.sum(0, dtype=np.float64).clip(1)
    predictors.price.copy_(torch.from_numpy(-np.log2(masses / masses.sum())))
