"""The codebook of predictors of a sound's latents, fitted as Lloyd fits quantisers.

In turn each channel takes the predictor that spares it most bits, and each predictor becomes the
least-squares solution for those that took it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from ncodec.models.prediction import (
    PREDICTORS,
    TAPS,
    Predictors,
    residual_bits,
    statistics,
)

ROUNDS, REVIVED = 24, 16
"""Rounds, and how many of them put new predictors in place of those that hardly any takes."""
PORTION = 16_384
LOUD = 0.3
"""Power in squared quantiser steps below which there is nothing to predict."""
WORTH = 8.0
"""Bits that a channel's own predictor spares for the codebook to start from it."""
RARE = 5
FIRST_PRICE = 4.0
UNIFORM = 1 / 12
"""Power of the error that rounding leaves."""


@dataclass(frozen=True)
class Channels:
    """`statistics` of many channels of passes, and the latents in each [N]."""

    normal: Tensor
    cross: Tensor
    energy: Tensor
    count: Tensor

    def portions(self) -> Iterable["Channels"]:
        """In parts whose costs fit into memory."""
        parts = zip(*(getattr(self, f.name).split(PORTION) for f in fields(self)), strict=True)
        return (Channels(*part) for part in parts)

    def left(self, taps: Tensor) -> Tensor:
        """Squares [N] that predictors [N, 4] leave, one each."""
        product = (self.normal @ taps[..., None])[..., 0]
        return (self.energy - ((2 * self.cross - product) * taps).sum(1)).clamp_min(0)

    def spared(self, left: Tensor) -> Tensor:
        """Bits [N] a latent that predictors spare which leave these squares [N]."""
        before, after = (x / self.count + UNIFORM for x in (self.energy, left))
        return 0.5 * torch.log2(before / after)


def channels_of(wanted: Tensor, around: Tensor) -> Channels:
    """Those of latents [B, n, M] in quantiser steps that are loud enough."""
    found = [x.flatten(0, 1) for x in statistics(wanted, around)]
    count = torch.full_like(found[2], wanted.shape[1])
    loud = found[2] > LOUD * count
    return Channels(*(x[loud] for x in (*found, count)))


@torch.no_grad()
def fit(predictors: Predictors, parts: list[Channels], seed: int = 0) -> None:
    """Fit the codebook, what its entries cost and what they spare."""
    whole = Channels(*(torch.cat([getattr(p, f.name) for p in parts]) for f in fields(Channels)))
    own = _own(whole)
    if not len(own):
        return
    generator = torch.Generator().manual_seed(seed)
    taps = torch.cat([torch.zeros(1, TAPS), _drawn(own, PREDICTORS - 1, generator)])
    chosen = _chosen(whole, taps, _first_price())
    for turn in range(ROUNDS):
        uses = torch.bincount(chosen, minlength=PREDICTORS)
        taps = _solved(whole, taps, chosen)
        if turn < REVIVED:
            _revive(taps, uses, own, generator)
        chosen = _chosen(whole, taps, _price(uses))
    _take(predictors, whole, taps, chosen)


def _own(whole: Channels) -> Tensor:
    """Predictors [., 4] of channels that spare much with their own."""
    ridge = 2 * torch.eye(TAPS)
    found = torch.linalg.solve(whole.normal + ridge, whole.cross[..., None])[..., 0]
    worth: Tensor = found[whole.count * whole.spared(whole.left(found)) > WORTH]
    return worth


def _drawn(own: Tensor, count: int, generator: torch.Generator) -> Tensor:
    return own[torch.randint(len(own), (count,), generator=generator)]


def _first_price() -> Tensor:
    """Bits [32] that predictors cost before any is used: the first, which is none, nothing."""
    price = torch.full((PREDICTORS,), FIRST_PRICE)
    price[0] = 0
    return price


def _revive(taps: Tensor, uses: Tensor, own: Tensor, generator: torch.Generator) -> None:
    """Put new predictors in place of those that hardly any channel took."""
    rare = uses < RARE
    rare[0] = False
    taps[rare] = _drawn(own, int(rare.sum()), generator)


def _chosen(whole: Channels, taps: Tensor, price: Tensor) -> Tensor:
    """The predictor of each channel [N]."""
    found = []
    for part in whole.portions():
        bits = residual_bits(part.normal, part.cross, part.energy, part.count[:, None], taps)
        found.append((bits + price).argmin(1))
    return torch.cat(found)


def _solved(whole: Channels, taps: Tensor, chosen: Tensor) -> Tensor:
    """Predictors that leave least of the channels that chose them; the first stays zero.

    Weights turn squares into bits, near where the codebook is.
    """
    weight = 1 / (whole.left(taps[chosen]) / whole.count + UNIFORM)
    normal = 1e-2 * torch.eye(TAPS).repeat(PREDICTORS, 1, 1)
    normal.index_add_(0, chosen, whole.normal * weight[:, None, None])
    cross = torch.zeros(PREDICTORS, TAPS).index_add_(0, chosen, whole.cross * weight[:, None])
    found: Tensor = torch.linalg.solve(normal, cross[..., None])[..., 0]
    found[0] = 0
    return found


def _take(predictors: Predictors, whole: Channels, taps: Tensor, chosen: Tensor) -> None:
    uses = torch.bincount(chosen, minlength=PREDICTORS)
    left = whole.left(taps[chosen])
    sums = torch.zeros(PREDICTORS).index_add_(0, chosen, whole.spared(left))
    predictors.taps.copy_(taps)
    predictors.relief.copy_((sums / uses.clamp_min(1)).clamp_min(0))
    predictors.price.copy_(_price(uses))


def _price(uses: Tensor) -> Tensor:
    """Bits [32] that predictors used so often cost."""
    return -torch.log2((uses + 1) / (uses.sum() + PREDICTORS))
