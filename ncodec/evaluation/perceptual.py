"""Metrics of what people see: distance of a network's features, and SSIMULACRA2.

Both take two pictures as `ncodec.evaluation.metrics` does, in RGB, and return one value a picture.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import PIL.Image
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ncodec.errors import InputError
from ncodec.evaluation.efficientnet import MEASURING, network
from ncodec.evaluation.metrics import Pictures, Values, missing, pair, unit

SSIMULACRA2_SIDE = 8
"""Smaller pictures have no scale that SSIMULACRA2 looks at."""


def feature_distance(original: Pictures, decoded: Pictures, name: str = MEASURING) -> Values:
    """How far apart a network's features of two pictures are, 0 where they are equal, [B].

    After Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric"
    (2018), without learned weights: at the end of each of the seven stages of EfficientNet the
    vectors of channels are brought to unit length; the squared differences are summed over
    channels, and averaged over positions and stages. At most 4. Pictures are looked at whole, at
    their own resolution. Raises `InputError` and `OptionError` as `ms_ssim` does.
    """
    ours, theirs = _rgb_pair(original, decoded)
    planes = [torch.from_numpy(2 * unit(x).astype(np.float32) - 1) for x in (ours, theirs)]
    with torch.inference_mode():
        stages = zip(*(network(name).stages(x) for x in planes), strict=True)
        distances = torch.stack([_apart(first, second) for first, second in stages])
    return np.asarray(distances.mean(0).numpy(), np.float64)


def _apart(first: Tensor, second: Tensor) -> Tensor:
    """Mean over positions of what differs between two directions: [B, C, h, w] twice -> [B]."""
    difference = F.normalize(first, dim=1) - F.normalize(second, dim=1)
    return difference.square().sum(1).mean((1, 2))


def ssimulacra2(original: Pictures, decoded: Pictures) -> Values:
    """SSIMULACRA2 (Sneyers 2023), [B]: 100 where equal, 90 very good, 30 low, below 0 awful.

    NaN for pictures with a side below 8 pixels. Float samples are rounded to 8 bits. Raises
    `InputError` as `psnr` does, `OptionError` where the package ssimulacra2 is not installed.
    """
    try:
        from ssimulacra2 import compute_ssimulacra2
    except ModuleNotFoundError as error:
        raise missing("SSIMULACRA2", error) from error
    ours, theirs = _rgb_pair(original, decoded)
    if min(ours.shape[2:]) < SSIMULACRA2_SIDE:
        return np.full(len(ours), np.nan)
    files = [[_file(picture) for picture in pictures] for pictures in (ours, theirs)]
    return np.array([compute_ssimulacra2(*both) for both in zip(*files, strict=True)])


def _rgb_pair(original: Pictures, decoded: Pictures) -> tuple[NDArray[Any], NDArray[Any]]:
    ours, theirs = pair(original, decoded)
    if ours.shape[1] != 3:
        raise InputError(f"RGB pictures [B, 3, H, W] are compared, got {list(ours.shape)}")
    return ours, theirs


def _file(picture: NDArray[Any]) -> io.BytesIO:
    """A picture [3, H, W] as a file without loss: what the package reads."""
    levels = picture if picture.dtype == np.uint8 else np.round(picture * 255).astype(np.uint8)
    file = io.BytesIO()
    PIL.Image.fromarray(np.ascontiguousarray(np.moveaxis(levels, 0, 2))).save(file, "BMP")
    file.seek(0)
    return file
