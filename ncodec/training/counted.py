"""Latent tables and reconstruction points, counted on what an encoder rounds."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ncodec.codecs.rounding import CENTROIDS, Rounding
from ncodec.codecs.weights import Arrays
from ncodec.entropy import Tables
from ncodec.entropy.build import count_symbols, counted_tables, logistic_tables
from ncodec.models.rates import SCALE_MAX, SCALE_MIN, SCALES

PRIOR_WEIGHT = 2000.0
ROUNDS = 2


class CountingRounding(Rounding):
    """Rounding that also adds up where in each level the unrounded values lie."""

    def __init__(self, tables: Tables, arrays: Arrays) -> None:
        super().__init__(tables, arrays)
        self.tables = tables
        self.sums = torch.zeros(SCALES * CENTROIDS, dtype=torch.float64)
        self.numbers = torch.zeros(SCALES * CENTROIDS, dtype=torch.float64)
        self.histogram = np.zeros(tables.counts.shape, np.int64)

    def quantise(self, value: Tensor, rows: Tensor) -> Tensor:
        """Round, and count."""
        residual = super().quantise(value, rows)
        level = residual.abs()
        place = (rows.long() * CENTROIDS + level.clamp(max=CENTROIDS - 1).long()).flatten()
        excess = (level - value.abs()).double().flatten()
        self.sums.index_add_(0, place, excess)
        self.numbers.index_add_(0, place, torch.ones_like(excess))
        self.histogram += count_symbols(residual.numpy().astype(np.int32), rows, self.tables)
        return residual

    def centroids(self) -> NDArray[np.float32]:
        """How far each level's mean lies below its integer: float32 [SCALES, CENTROIDS]."""
        shift = (self.sums / (self.numbers + 50)).reshape(SCALES, CENTROIDS)
        shift[:, 0] = 0
        return shift.clamp(-0.4, 0.4).float().numpy()


def counted(
    arrays: Arrays, encode: Callable[[Arrays, CountingRounding], None]
) -> dict[str, NDArray[Any]]:
    """Arrays `entropy/latent/...` and `latent/centroid`: counted twice, each moves the rounding.

    `encode` encodes latents under the arrays it is given, rounding with the rounding it is given.
    """
    prior = logistic_tables(np.geomspace(SCALE_MIN, SCALE_MAX, SCALES))
    found: dict[str, NDArray[Any]] = {
        **prior.to_arrays("entropy/latent"),
        "latent/centroid": np.zeros((SCALES, CENTROIDS), np.float32),
    }
    for _ in range(ROUNDS):
        whole = {**arrays, **found}
        rounding = CountingRounding(Tables.from_arrays(whole, "entropy/latent"), whole)
        encode(whole, rounding)
        found = {
            **_symmetric(rounding.histogram, prior).to_arrays("entropy/latent"),
            "latent/centroid": rounding.centroids(),
        }
    return found


def _symmetric(histogram: NDArray[np.int64], prior: Tables) -> Tables:
    """Tables fitted to counts in which a value and its negative weigh the same."""
    balanced = histogram.copy()
    for row, length in enumerate(prior.length.tolist()):
        balanced[row, : length - 1] += histogram[row, : length - 1][::-1]
        balanced[row, length - 1] *= 2
    return counted_tables(balanced, prior.low, prior, PRIOR_WEIGHT)
