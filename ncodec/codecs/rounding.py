"""Rounding latents with the price of bits in mind, and where to put them back."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ncodec.codecs.weights import Arrays, array
from ncodec.entropy import Tables
from ncodec.models.rates import SCALES, SLOPE

CENTROIDS = 4
"""Reconstruction points are stored for magnitudes 0..2, and one for all larger."""
DECISIONS = 8
"""Magnitudes up to this are rounded with their price in mind."""
MAX_LATENT = 2**18


class Rounding:
    """Decisions and reconstruction points under the tables of one weights file."""

    def __init__(self, tables: Tables, arrays: Arrays) -> None:
        """Take `latent/centroid` from a weights file; raises `ModelMismatchError`."""
        centroid = array(arrays, "latent/centroid", np.float32, (SCALES, CENTROIDS))
        # Of residuals -3..3: what each is nearer to zero, with its sign.
        shift = np.hstack([-centroid[:, :0:-1], 0 * centroid[:, :1], centroid[:, 1:]])
        self._shift = shift.flatten()
        self._threshold = thresholds(tables, centroid).flatten()

    def quantise(self, value: Tensor, rows: Tensor) -> Tensor:
        """Round [n, M] to integers, downwards where the bits saved are worth the error.

        `rows` are the table rows [n, M] of the values.
        """
        size = value.abs().nan_to_num_(0.0)
        magnitude = size.round().clamp_(max=MAX_LATENT)
        place = magnitude.clamp(max=DECISIONS).add_(rows, alpha=DECISIONS + 1)
        threshold = _looked_up(self._threshold, place)
        dear = torch.lt(size, threshold, out=threshold)
        return magnitude.sub_(dear).copysign_(value)

    def points(self, residual: Tensor, rows: Tensor) -> Tensor:
        """Reconstruction points of integer residuals [n, M]: nearer to zero, where the mass is."""
        most = CENTROIDS - 1
        place = residual.clamp(-most, most).float().add_(rows, alpha=2 * most + 1).add_(most)
        return residual - _looked_up(self._shift, place)


def _looked_up(table: NDArray[np.float32], place: Tensor) -> Tensor:
    """Entries of a table at places of any shape, whole numbers."""
    return torch.from_numpy(table.take(place.long().numpy()))  # Half the time of `index_select`.


def thresholds(tables: Tables, centroid: NDArray[np.float32]) -> NDArray[np.float32]:
    """Smallest magnitude [rows, 0..DECISIONS] for which level k is worth more than k - 1.

    Level k costs bits; k - 1 costs error, `SLOPE` bits a squared step. Both meet at the midpoint
    of the two reconstruction points plus the price difference over twice their distance's worth.
    """
    result = np.zeros((tables.rows, DECISIONS + 1), np.float64)
    for row in range(tables.rows):
        bits = _level_bits(tables, row)
        shift = centroid[row][np.minimum(np.arange(DECISIONS + 1), CENTROIDS - 1)]
        points = np.arange(DECISIONS + 1) - np.where(np.arange(DECISIONS + 1) > 0, shift, 0)
        gap = np.maximum(np.diff(points), 0.1)
        result[row, 1:] = (points[1:] + points[:-1]) / 2 + np.diff(bits) / (2 * SLOPE * gap)
    return result.astype(np.float32)


def _level_bits(tables: Tables, row: int) -> NDArray[np.float64]:
    """Code length of magnitudes 0..DECISIONS in a symmetric row; escapes cost some bits more."""
    length, low = int(tables.length[row]), int(tables.low[row])
    bits = 24 - np.log2(tables.counts[row, :length].astype(np.float64))
    levels = np.arange(DECISIONS + 1)
    inside = levels - low < length - 1
    escape = bits[-1] + 2 * np.log2(levels + 1)
    return np.where(inside, bits[np.minimum(levels - low, length - 1)], escape)
