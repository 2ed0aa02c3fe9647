"""Latent tables and reconstruction points, counted on what an encoder rounds."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ncodec.codecs.rounding import CENTROIDS, Rounding
from ncodec.codecs.trellis import NEAREST, QUARTER, signs
from ncodec.codecs.weights import Arrays
from ncodec.entropy import Tables
from ncodec.entropy.build import count_symbols, counted_tables, logistic_tables
from ncodec.models.rates import SCALE_MAX, SCALE_MIN, SCALES

PRIOR_WEIGHT, TRUST = 2000.0, 50.0
ROUNDS = 2
CELLS = 2 * NEAREST + 1


class CountingRounding(Rounding):
    """Rounding that also adds up where in each level the unrounded values lie."""

    def __init__(self, tables: Tables, arrays: Arrays) -> None:
        super().__init__(tables, arrays)
        self.tables = tables
        self.sums = torch.zeros(SCALES * CELLS, dtype=torch.float64)
        self.numbers = torch.zeros(SCALES * CELLS, dtype=torch.float64)
        self.histogram = np.zeros(tables.counts.shape, np.int64)

    def quantise(self, value: Tensor, rows: Tensor) -> Tensor:
        """Round, and count."""
        residual = super().quantise(value, rows)
        sign = 1 - 2 * residual.signbit().float()
        if self.trellis:
            places = self.on_paths(rows)
            sign.put_(places, signs(residual.take(places)))
        level = residual * sign
        place = rows.long() * CELLS + level.clamp(-NEAREST, NEAREST).long() + NEAREST
        excess = (level - value * sign).double().flatten()
        self.sums.index_add_(0, place.flatten(), excess)
        self.numbers.index_add_(0, place.flatten(), torch.ones_like(excess))
        self.histogram += count_symbols(residual.numpy().astype(np.int32), rows, self.tables)
        return residual

    def arrays(self) -> Arrays:
        """How far the mean of values lies below each level, as `Rounding` takes it."""
        sums, numbers = (x.reshape(SCALES, CELLS) for x in (self.sums, self.numbers))
        expected = torch.zeros(SCALES, CELLS)
        expected[self._first :] = QUARTER
        shift = (sums + TRUST * expected) / (numbers + TRUST)
        centroid = shift[:, NEAREST:].clamp(-0.4, 0.4)
        centroid[:, 0] = 0
        arrays = {"latent/centroid": centroid.float().numpy()}
        if self.trellis:
            arrays["latent/trellis"] = shift[self._first :].float().numpy()
        return arrays


def counted(
    arrays: Arrays, encode: Callable[[Arrays, CountingRounding], None], paths: int
) -> dict[str, NDArray[Any]]:
    """Arrays `entropy/latent/...` and `latent/...`: counted twice, each moves the rounding.

    `encode` encodes latents under the arrays it is given, rounding with the rounding it is given.
    Values of the last `paths` rows are rounded along paths.
    """
    prior = logistic_tables(np.geomspace(SCALE_MIN, SCALE_MAX, SCALES))
    found: dict[str, NDArray[Any]] = {
        **prior.to_arrays("entropy/latent"),
        "latent/centroid": np.zeros((SCALES, CENTROIDS), np.float32),
    }
    if paths:
        found["latent/trellis"] = np.full((paths, CELLS), QUARTER, np.float32)
    for _ in range(ROUNDS):
        whole = {**arrays, **found}
        tables = Tables.from_arrays(whole, "entropy/latent")
        rounding = CountingRounding(tables, whole)
        encode(whole, rounding)
        found = {
            **_symmetric(rounding.histogram, prior).to_arrays("entropy/latent"),
            **rounding.arrays(),
        }
    return found


def _symmetric(histogram: NDArray[np.int64], prior: Tables) -> Tables:
    """Tables fitted to counts in which a value and its negative weigh the same."""
    balanced = histogram.copy()
    for row, length in enumerate(prior.length.tolist()):
        balanced[row, : length - 1] += histogram[row, : length - 1][::-1]
        balanced[row, length - 1] *= 2
    return counted_tables(balanced, prior.low, prior, PRIOR_WEIGHT)
