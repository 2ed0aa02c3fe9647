"""From a training checkpoint to a weights file: integer tables, exact network, half floats."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ncodec.codecs.hyperprior_latents import (
    MEANING,
    MULTIPLIER_BITS,
    LatentCoder,
)
from ncodec.codecs.hyperprior_scales import INDEX_FRACTION
from ncodec.codecs.rate_steps import RATE_STEPS
from ncodec.datasets.pictures import PictureCrops
from ncodec.entropy.build import count_symbols, counted_tables, logistic_tables
from ncodec.models.hyperprior import HYPER, TRAINING_ONLY, Hyperprior
from ncodec.models.rates import KNOTS, LOG_SCALE_STEP, SCALE_MAX, SCALE_MIN
from ncodec.training.counted import CountingRounding, counted
from ncodec.training.exact_scales import exact_scales
from ncodec.training.weights_file import Arrays, shipped, write_weights

CALIBRATION_CROPS = 24
COUNTED_CROPS = 160
CROP = 384
HYPER_PRIOR_WEIGHT = 200.0
PATHS = 49
"""Table rows of values that are rounded along paths: those that take more than 0.6 bits."""


@torch.inference_mode()
def export(model: Hyperprior, data: PictureCrops, path: Path, seed: int = 0) -> dict[str, Any]:
    """Write the weights file of a trained model; returns its metadata.

    Tables are counted on `COUNTED_CROPS` crops of the training pictures, at random rates.
    """
    random = np.random.default_rng((seed, 1))
    model.eval()
    arrays = shipped(model, TRAINING_ONLY)
    arrays |= _integer_tables(model)
    latents = [_analysed(model, data, random) for _ in range(COUNTED_CROPS)]
    arrays |= _hyper_tables(model, latents)
    arrays |= exact_scales(model, latents[:CALIBRATION_CROPS], random)
    arrays |= _counted(model, latents, arrays, random)
    return write_weights(path, arrays, MEANING, synthesis="model/synthesis")


def _analysed(model: Hyperprior, data: PictureCrops, random: np.random.Generator) -> Tensor:
    latent: Tensor = model.analysis(data.batch(1, min(CROP, data.smallest), random), model.spread)
    return latent


def _integer_tables(model: Hyperprior) -> Arrays:
    multiplier = 2.0**MULTIPLIER_BITS * (-model.hyper_log_gain.values).exp()
    offset = (model.scale_shift.values + model.log_gain.values) * (INDEX_FRACTION / LOG_SCALE_STEP)
    return {
        "entropy/hyper_multiplier": multiplier.round().clamp(1, 1 << 24).numpy().astype(np.int32),
        "entropy/scale_offset": offset.round().clamp(-32768, 32767).numpy().astype(np.int16),
    }


def _hyper_tables(model: Hyperprior, latents: list[Tensor]) -> Arrays:
    """Tables of the hyperlatent: one for each knot and channel, counted."""
    gains = model.hyper_log_gain.values.exp()
    scales = model.hyper_log_scale.values.exp().clamp(SCALE_MIN, SCALE_MAX)
    prior = logistic_tables(scales.flatten().numpy(), model.hyper_center.values.flatten().numpy())
    histogram = np.zeros(prior.counts.shape, np.int64)
    rows = np.arange(KNOTS * HYPER).reshape(KNOTS, HYPER, 1, 1)
    for y in latents:
        z = model.hyper_analysis(y)
        symbols = (z * gains[:, :, None, None]).round().numpy().astype(np.int32)
        histogram += count_symbols(symbols, np.broadcast_to(rows, symbols.shape), prior)
    tables = counted_tables(histogram, prior.low, prior, HYPER_PRIOR_WEIGHT)
    return tables.to_arrays("entropy/hyper")


def _counted(
    model: Hyperprior, latents: list[Tensor], arrays: Arrays, random: np.random.Generator
) -> Arrays:
    """Latent tables and reconstruction points."""

    def encode(whole: Mapping[str, NDArray[Any]], rounding: CountingRounding) -> None:
        coder = LatentCoder(model, whole, torch.device("cpu"))
        coder.rounding = rounding
        for y in latents:
            coder.encode(y, int(random.integers(RATE_STEPS)))

    return counted(arrays, encode, PATHS)
