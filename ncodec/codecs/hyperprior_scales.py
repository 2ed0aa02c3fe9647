"""From decoded integers to entropy tables, for the `hyperprior` codec: integers from end to end.

Four exact networks, twins of the layers of `ScalePrior`, give every latent its scale index: from
the hyperlatent for the anchors, and for the other half also from the anchors' symbols.
"""

import numpy as np
import torch
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
        self.level = torch.from_numpy(level.copy())

    def of_tile(self, fixed: Tensor, step: int, board: Checkerboard) -> "TileScales":
        """The indexes of a tile, from hyperlatents in 64ths: int64 [1, N, ., .]."""
        height, width = board.size
        features = self.networks["trunk"](fixed)[:, :, :height, :width].int()
        offset = interpolate(self.offset, step) + INDEX_FRACTION // 2
        return TileScales(self, features, torch.from_numpy(offset)[:, None, None], board)


class TileScales:
    """Scale indexes 0..63 of one tile's latents, as integers [1, M, n, 1] on the CPU."""

    def __init__(
        self, scales: ScaleIndexes, features: Tensor, offset: Tensor, board: Checkerboard
    ) -> None:
        self._networks, self._level = scales.networks, scales.level
        self._features, self._offset, self._board = features, offset, board

    def anchors(self) -> Tensor:
        """Indexes of the anchors."""
        return self._index(self._networks["anchors"](self._board.anchors(self._features)))

    def others(self, anchors: Tensor) -> Tensor:
        """Indexes of the other half, given the anchors' symbols, int32 [1, M, n, 1]."""
        features = self._board.others(self._features)
        around = self._board.gather(self._networks["around"](self._levels(anchors)))
        hidden = (around + self._networks["here"](features)).clamp_(0, MAX_ACTIVATION)
        return self._index(self._networks["others"](torch.cat([features, hidden], 1)))

    def _levels(self, anchors: Tensor) -> Tensor:
        """Levels of symbols [1, M, n, 1]; most are 0, and so are their levels."""
        symbols = as_rows(anchors).flatten()
        levels, some = torch.zeros_like(symbols), symbols.nonzero()[:, 0]
        levels[some] = self._level[symbols[some].abs().clamp_(max=LEVELS - 1).long()]
        return as_columns(levels.reshape(-1, anchors.shape[1]))

    def _index(self, fine: Tensor) -> Tensor:
        shift = INDEX_FRACTION.bit_length() - 1
        return ((fine + self._offset) >> shift).clamp_(0, SCALES - 1)
