"""Weights for tests of `walloc` that need no training: fitted to made-up media within seconds."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from ncodec.models.walloc import Walloc
from ncodec.models.walloc_medium import LEVEL, PICTURE, SOUND, Medium
from ncodec.training import export_walloc, start_walloc, walloc_fill

from .pictures import picture
from .sounds import samples

Draw = Callable[[int, int, np.random.Generator], Tensor]


def pictures(count: int, size: int, random: np.random.Generator) -> Tensor:
    """Pixels minus 0.5 [B, 3, 96, 96], whatever the size asked for."""
    found = np.stack([picture(96, 96, seed=int(random.integers(1000))) for _ in range(count)])
    return torch.from_numpy(found).permute(0, 3, 1, 2).float() / 255 - 0.5


def sounds(count: int, size: int, random: np.random.Generator) -> Tensor:
    """Samples [B, 2, 8192], whatever the size asked for."""
    found = [samples(8192, 2, 44_100, int(random.integers(30))).T for _ in range(count)]
    return torch.from_numpy(np.stack(found)) * LEVEL


def model_of(medium: Medium, draw: Draw) -> Walloc:
    """A model as training starts from, with contexts that matter."""
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    model = Walloc(medium)
    start_walloc.start(model, lambda: medium.packets(draw(4, 0, random)), 12)
    with torch.no_grad():
        for parameter in (p for p in model.prior.scales.parameters() if p.ndim == 2):
            parameter.add_(torch.randn_like(parameter), alpha=0.3 * float(parameter.std()))
        for parameter in model.synthesis.leave.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.002)
    return model.requires_grad_(False)


def write_weights(medium: Medium, path: Path) -> None:
    """A whole weights file."""
    draw = pictures if medium is PICTURE else sounds
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export_walloc, "CALIBRATION_CROPS", 2)
        patch.setattr(export_walloc, "COUNTED_CROPS", 4)
        patch.setattr(export_walloc, "CHANNEL_CROPS", 1)
        patch.setattr(walloc_fill, "CROPS", 4)
        export_walloc.export(model_of(medium, draw), draw, path)


__all__ = ["PICTURE", "SOUND", "model_of", "pictures", "sounds", "write_weights"]
