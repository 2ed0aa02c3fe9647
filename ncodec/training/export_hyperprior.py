"""From a training checkpoint to a weights file: integer tables, exact network, half floats."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save
from torch import Tensor

from ncodec.codecs.checkerboard import as_rows
from ncodec.codecs.hyperprior_latents import (
    CENTROIDS,
    MEANING,
    MULTIPLIER_BITS,
    LatentCoder,
)
from ncodec.codecs.hyperprior_scales import INDEX_FRACTION, RATE_STEPS, Residual
from ncodec.codecs.weights import digest, model_id, pack_module, unpack_module
from ncodec.datasets.pictures import PictureCrops
from ncodec.entropy import Tables
from ncodec.entropy.build import count_symbols, counted_tables, logistic_tables
from ncodec.files import write_atomic
from ncodec.models.hyperprior import (
    HYPER,
    KNOTS,
    LOG_SCALE_STEP,
    SCALE_MAX,
    SCALE_MIN,
    SCALES,
    TRAINING_ONLY,
    Hyperprior,
)
from ncodec.training.exact_scales import exact_scales

CALIBRATION_CROPS = 24
COUNTED_CROPS = 160
CROP = 384
PRIOR_WEIGHT = 2000.0

Arrays = dict[str, NDArray[Any]]


class CountingCoder(LatentCoder):
    """A latent coder that also adds up where in each level the unrounded values lie."""

    def start_counting(self) -> None:
        """Forget what was counted."""
        self.sums = torch.zeros(SCALES * CENTROIDS, dtype=torch.float64)
        self.numbers = torch.zeros(SCALES * CENTROIDS, dtype=torch.float64)
        self.histogram = np.zeros(self.tables.counts.shape, np.int64)

    def _quantise(self, value: Tensor, rows: Tensor) -> Residual:
        residual = super()._quantise(value, rows)
        level, row = residual.flat.abs(), rows.flatten().long()
        place = row * CENTROIDS + level.clamp(max=CENTROIDS - 1).long()
        excess = (level - as_rows(value.cpu()).flatten().abs()).double()
        self.sums.index_add_(0, place, excess)
        self.numbers.index_add_(0, place, torch.ones_like(excess))
        self.histogram += count_symbols(residual.symbols(), rows.numpy(), self.tables)
        return residual

    def centroids(self) -> NDArray[np.float32]:
        """How far each level's mean lies below its integer: float32 [SCALES, CENTROIDS]."""
        shift = (self.sums / (self.numbers + 50)).reshape(SCALES, CENTROIDS)
        shift[:, 0] = 0
        return shift.clamp(-0.4, 0.4).float().numpy()


@torch.inference_mode()
def export(model: Hyperprior, data: PictureCrops, path: Path, seed: int = 0) -> dict[str, Any]:
    """Write the weights file of a trained model; returns its metadata.

    Tables are counted on `COUNTED_CROPS` crops of the training pictures, at random rates.
    """
    random = np.random.default_rng((seed, 1))
    model.eval()
    state = {k: v for k, v in model.state_dict().items() if not k.startswith(TRAINING_ONLY)}
    arrays: Arrays = dict(pack_module(state, "model/"))
    for name, value in unpack_module(arrays, "model/").items():
        state[name].copy_(value)  # Count with the weights as they are shipped.
    arrays |= _integer_tables(model)
    latents = [_analysed(model, data, random) for _ in range(COUNTED_CROPS)]
    arrays |= _hyper_tables(model, latents)
    arrays |= exact_scales(model, latents[:CALIBRATION_CROPS], random)
    arrays |= _counted(model, latents, arrays, random)
    synthesis = {k: v for k, v in arrays.items() if k.startswith("model/synthesis")}
    metadata = {"model_id": model_id(arrays, MEANING), "synthesis": digest(synthesis)}
    blob = save(arrays, metadata)
    write_atomic(path, lambda file: file.write(blob), overwrite=True)
    return metadata


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
    tables = counted_tables(histogram, prior.low, prior, PRIOR_WEIGHT / 10)
    return tables.to_arrays("entropy/hyper")


def _counted(
    model: Hyperprior, latents: list[Tensor], arrays: Arrays, random: np.random.Generator
) -> Arrays:
    """Latent tables and reconstruction points: counted twice, since each moves the rounding."""
    prior = logistic_tables(np.geomspace(SCALE_MIN, SCALE_MAX, SCALES))
    found: Arrays = {
        **prior.to_arrays("entropy/latent"),
        "latent/centroid": np.zeros((SCALES, CENTROIDS), np.float32),
    }
    for _ in range(2):
        coder = CountingCoder(model, {**arrays, **found}, torch.device("cpu"))
        coder.start_counting()
        for y in latents:
            coder.encode(y, int(random.integers(RATE_STEPS)))
        found = {
            **_symmetric(coder.histogram, prior).to_arrays("entropy/latent"),
            "latent/centroid": coder.centroids(),
        }
    return found


def _symmetric(histogram: NDArray[np.int64], prior: Tables) -> Tables:
    """Tables fitted to counts in which a value and its negative weigh the same."""
    balanced = histogram.copy()
    for row, length in enumerate(prior.length.tolist()):
        balanced[row, : length - 1] += histogram[row, : length - 1][::-1]
        balanced[row, length - 1] *= 2
    return counted_tables(balanced, prior.low, prior, PRIOR_WEIGHT)
