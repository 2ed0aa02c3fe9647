"""Rounding latents with the price of bits in mind, and where to put them back."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ncodec.codecs.trellis import NEAREST, WORTH, Trellis, looked_up
from ncodec.codecs.weights import Arrays, array
from ncodec.entropy import Tables
from ncodec.errors import ModelMismatchError
from ncodec.models.rates import SCALES, SLOPE

CENTROIDS = 4
"""Reconstruction points are stored for magnitudes 0..2, and one for all larger."""
DECISIONS = 8
"""Magnitudes up to this are rounded with their price in mind."""
MAX_LATENT = 2**18


class Rounding:
    """Decisions and reconstruction points under the tables of one weights file."""

    def __init__(self, tables: Tables, arrays: Arrays) -> None:
        """Take `latent/centroid` from a weights file; raises `ModelMismatchError`.

        Where there is a `latent/trellis` [rows, 2 NEAREST + 1], values of the last rows are coded
        along paths: `quantise` and `points` must then be given the same blocks, each a whole one.
        """
        centroid = array(arrays, "latent/centroid", np.float32, (SCALES, CENTROIDS))
        # Of residuals -3..3: what each is nearer to zero, with its sign.
        shift = np.hstack([-centroid[:, :0:-1], 0 * centroid[:, :1], centroid[:, 1:]])
        self._shift = shift.flatten()
        self.trellis: Trellis | None = None
        self._first = SCALES - rows_on_paths(arrays)
        # With smaller errors beside them, values without paths are worth fewer bits as well.
        worth = SLOPE if self._first == SCALES else WORTH
        self._threshold = thresholds(tables, centroid, worth).flatten()
        if self._first < SCALES:
            shape = SCALES - self._first, 2 * NEAREST + 1
            shift[self._first :] = array(arrays, "latent/trellis", np.float32, shape)
            self.trellis = Trellis(tables, shift)

    def quantise(self, value: Tensor, rows: Tensor) -> Tensor:
        """Round [n, M] to integers, downwards where the bits saved are worth the error.

        `rows` are the table rows [n, M] of the values.
        """
        size = value.abs().nan_to_num_(0.0)
        magnitude = size.round().clamp_(max=MAX_LATENT)
        place = magnitude.clamp(max=DECISIONS).add_(rows, alpha=DECISIONS + 1)
        threshold = looked_up(self._threshold, place)
        dear = torch.lt(size, threshold, out=threshold)
        found = magnitude.sub_(dear).copysign_(value)
        if self.trellis:
            places = self.on_paths(rows)
            values = value.take(places).nan_to_num_(0.0).clamp_(-MAX_LATENT, MAX_LATENT)
            found.put_(places, self.trellis.quantise(values, rows.take(places)))
        return found

    def points(self, residual: Tensor, rows: Tensor) -> Tensor:
        """Reconstruction points of integer residuals [n, M]: nearer to zero, where the mass is."""
        most = CENTROIDS - 1
        place = residual.clamp(-most, most).float().add_(rows, alpha=2 * most + 1).add_(most)
        found = residual - looked_up(self._shift, place)
        if self.trellis:
            places = self.on_paths(rows)
            found.put_(places, self.trellis.points(residual.take(places), rows.take(places)))
        return found

    def on_paths(self, rows: Tensor) -> Tensor:
        """Places, in flattened `rows`, of values that are coded along paths, in their order."""
        return torch.from_numpy(np.flatnonzero((rows >= self._first).numpy()))


def rows_on_paths(arrays: Arrays) -> int:
    """How many of the last table rows are of values on paths; raises `ModelMismatchError`."""
    found = arrays.get("latent/trellis")
    if found is None:
        return 0
    if found.ndim != 2 or not 1 <= len(found) <= SCALES:
        raise ModelMismatchError(f"latent/trellis: {found.shape} is no set of points")
    return len(found)


def thresholds(tables: Tables, centroid: NDArray[np.float32], slope: float) -> NDArray[np.float32]:
    """Smallest magnitude [rows, 0..DECISIONS] for which level k is worth more than k - 1.

    Level k costs bits; k - 1 costs error, `slope` bits a squared step. Both meet at the midpoint
    of the two reconstruction points plus the price difference over twice their distance's worth.
    """
    result = np.zeros((tables.rows, DECISIONS + 1), np.float64)
    for row in range(tables.rows):
        bits = tables.magnitude_bits(row, DECISIONS)
        shift = centroid[row][np.minimum(np.arange(DECISIONS + 1), CENTROIDS - 1)]
        points = np.arange(DECISIONS + 1) - np.where(np.arange(DECISIONS + 1) > 0, shift, 0)
        gap = np.maximum(np.diff(points), 0.1)
        result[row, 1:] = (points[1:] + points[:-1]) / 2 + np.diff(bits) / (2 * slope * gap)
    return result.astype(np.float32)
