"""Prediction of a sound's latents along time, by predictors out of a codebook.

A tone turns in its band by an angle from frame to frame that only the sound itself knows. So each
pass of a chunk has a predictor for each channel that contexts see: four weights of the frames
around, out of a codebook whose first entry predicts nothing. Which one is sent along, as speech
codecs send quantised predictors (Makhoul, "Linear Prediction: A Tutorial Review", 1975).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ncodec.models.pyramid import Pass

PREDICTORS, TAPS = 32, 4
NEAR = 5
"""Frames of a pass over which the size of residuals changes."""


class Predictors(nn.Module):
    """The codebook.

    Attributes:
        taps: weights of the frames 3 d and d before and d and 3 d after, [32, 4].
        relief: log2 of how much smaller each leaves what it is chosen for, on average, [32].
        price: bits that it costs to send each, in training, [32].
    """

    taps: Tensor
    relief: Tensor
    price: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("taps", torch.zeros(PREDICTORS, TAPS))
        self.register_buffer("relief", torch.zeros(PREDICTORS))
        self.register_buffer("price", torch.zeros(PREDICTORS))

    def mean(self, chosen: Tensor, around: Tensor) -> Tensor:
        """Predictors [B, M] applied to values [B, n, 4, M] -> means [B, n, M]."""
        return torch.einsum("bnkm,bmk->bnm", around, self.taps[chosen])

    def choose(self, wanted: Tensor, around: Tensor, price: Tensor) -> Tensor:
        """The predictor [B, M] of each channel that spares most bits.

        Args:
            wanted: latents [B, n, M] in quantiser steps.
            around: those that are known around each, [B, n, 4, M].
            price: bits that each predictor costs, [32] or [M, 32].
        """
        bits = residual_bits(*statistics(wanted, around), wanted.shape[1], self.taps) + price
        # That takes a pass as equally loud throughout, and makes too much of bursts, which tables
        # follow. So the best predictor is held against none once more, by what lies near.
        best = 1 + bits[..., 1:].argmin(2)
        dearer = price.expand_as(bits).gather(2, best[..., None])[..., 0] - price[..., 0]
        spared = local_bits(wanted) - local_bits(wanted - self.mean(best, around))
        return torch.where(spared > dearer, best, 0)


def along(part: Pass, rows: Tensor) -> Tensor:
    """What rows [B, ., M] in coding order hold along time around a pass: [B, n, 4, M]."""
    if part.along is None:
        raise ValueError("the first pass has nothing around it")
    found = rows.index_select(1, part.along.flatten())
    return found.reshape(len(rows), *part.along.shape, -1)


def statistics(wanted: Tensor, around: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What a predictor's error follows from: [B, M, 4, 4], [B, M, 4] and [B, M].

    Products of what is known, of it with what is wanted, and of what is wanted with itself.
    """
    known, goal = around.permute(0, 3, 2, 1), wanted.transpose(1, 2)
    cross = (known @ goal[..., None])[..., 0]
    return known @ known.transpose(2, 3), cross, goal.square().sum(2)


def residual_energy(normal: Tensor, cross: Tensor, energy: Tensor, taps: Tensor) -> Tensor:
    """Squares [..., N] that predictors [N, 4] leave of a channel with such `statistics`."""
    products = (taps[:, :, None] * taps[:, None]).flatten(1)
    left = energy[..., None] - 2 * cross @ taps.T + normal.flatten(-2) @ products.T
    return left.clamp_min(0)


def residual_bits(
    normal: Tensor, cross: Tensor, energy: Tensor, count: int | Tensor, taps: Tensor
) -> Tensor:
    """About how many bits [..., N] `count` quantised values take after each predictor."""
    left = residual_energy(normal, cross, energy, taps)
    return 0.5 * count * torch.log2(1 + 12 * left / count)


def local_bits(residual: Tensor) -> Tensor:
    """About how many bits [B, M] residuals [B, n, M] take under tables that follow their size."""
    power = residual.square().transpose(1, 2)
    near = F.avg_pool1d(power, NEAR, 1, NEAR // 2, count_include_pad=False)
    return 0.5 * torch.log2(1 + 12 * near).sum(2)
