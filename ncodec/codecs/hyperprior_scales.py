"""From decoded integers to entropy tables, for the `hyperprior` codec: integers from end to end.

Four exact networks, twins of the layers of `ScalePrior`, give every latent its scale index: from
the hyperlatent for the anchors, and for the other half also from the anchors' symbols.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ncodec.codecs.checkerboard import Checkerboard, as_columns, as_rows
from ncodec.codecs.rate_steps import interpolate
from ncodec.codecs.weights import Arrays, array
from ncodec.entropy.integer_network import MAX_ACTIVATION, IntegerNetwork
from ncodec.errors import ModelMismatchError
from ncodec.models.hyperprior import HIDDEN, HYPER, LATENTS
from ncodec.models.rates import KNOTS, SCALES

INDEX_FRACTION = 16
"""The integer networks' steps to one scale index."""
LEVELS = 256
"""Magnitudes from here on look the same to the context."""
NETWORKS = {
    "trunk": (HYPER, HYPER),
    "anchors": (HYPER, LATENTS),
    "around": (LATENTS, 4 * HIDDEN),
    "here": (HYPER, HIDDEN),
    "others": (HYPER + HIDDEN, LATENTS),
}
"""The exact networks, with the channels that enter and leave them."""


@dataclass(frozen=True)
class Residual:
    """The whole numbers of half a latent, most of them 0, on the CPU.

    Attributes:
        flat: float32 [n M], position after position.
        places: where `flat` is not 0, int64.
        channels: M.
    """

    flat: Tensor
    places: Tensor
    channels: int

    @classmethod
    def of(cls, symbols: NDArray[np.int32]) -> "Residual":
        """Of symbols [n, M]."""
        flat = torch.from_numpy(symbols).float().flatten()
        return cls(flat, nonzero(flat), symbols.shape[1])

    def symbols(self) -> NDArray[np.int32]:
        """The integers [n, M]."""
        whole: NDArray[np.int32] = self.flat.numpy().astype(np.int32)
        return whole.reshape(-1, self.channels)


def nonzero(flat: Tensor) -> Tensor:
    """Where a tensor [N] is not 0; numpy finds that twice as fast as torch."""
    return torch.from_numpy(np.flatnonzero(flat.numpy() != 0))


class ScaleIndexes:
    """The exact networks and tables of one weights file."""

    def __init__(self, arrays: Arrays) -> None:
        """Take and check what a weights file has; runs the networks' self-tests."""
        self.networks = {
            name: IntegerNetwork.from_arrays(arrays, f"entropy/scale/{name}") for name in NETWORKS
        }
        found = {n: (net.input_channels, net.output_channels) for n, net in self.networks.items()}
        if found != NETWORKS:
            raise ModelMismatchError("weights: the exact networks do not fit the hyperprior")
        self.input_bound = self.networks["trunk"].input_bound
        self.offset = array(arrays, "entropy/scale_offset", np.int16, (KNOTS, LATENTS))
        level = array(arrays, "entropy/level", np.int32, (LEVELS,))
        if level[0] != 0 or level.min() < 0 or level.max() > self.networks["around"].input_bound:
            raise ModelMismatchError("weights: a level is outside of what its network takes")
        self.level = torch.from_numpy(level.astype(np.float64))

    def of_tile(self, fixed: Tensor, step: int, board: Checkerboard) -> "TileScales":
        """The indexes of a tile, from hyperlatents in 64ths: int64 [1, N, ., .]."""
        height, width = board.size
        features = self.networks["trunk"](fixed)[:, :, :height, :width]
        offset = (interpolate(self.offset, step) + INDEX_FRACTION // 2).astype(np.float64)
        return TileScales(self, features, torch.from_numpy(offset)[:, None, None], board)


class TileScales:
    """Scale indexes 0..63 of one tile's latents, uint8 [n, M] on the CPU."""

    def __init__(
        self, scales: ScaleIndexes, features: Tensor, offset: Tensor, board: Checkerboard
    ) -> None:
        self._networks, self._level = scales.networks, scales.level
        self._features, self._offset, self._board = features, offset, board

    def anchors(self) -> Tensor:
        """Indexes of the anchors."""
        return self._index(self._networks["anchors"](self._board.anchors(self._features)))

    def others(self, anchors: Residual) -> Tensor:
        """Indexes of the other half, given the anchors' symbols."""
        features = self._board.others(self._features)
        around = self._board.gather(self._networks["around"](self._levels(anchors)))
        hidden = (around + self._networks["here"](features)).clamp_(0, MAX_ACTIVATION)
        return self._index(self._networks["others"](torch.cat([features, hidden], 1)))

    def _levels(self, anchors: Residual) -> Tensor:
        """Levels of symbols, whole numbers [1, M, n, 1]; 0 for symbols that are 0, the most."""
        levels = torch.zeros_like(anchors.flat, dtype=torch.float64)
        magnitude = anchors.flat[anchors.places].abs().clamp_(max=LEVELS - 1)
        levels[anchors.places] = self._level[magnitude.long()]
        return as_columns(levels.reshape(-1, anchors.channels))

    def _index(self, fine: Tensor) -> Tensor:
        # Dividing by a power of two is exact, and truncation of what is not negative rounds down.
        index = (fine + self._offset).div_(INDEX_FRACTION).clamp_(0, SCALES - 1)
        return as_rows(index).to(torch.uint8)
