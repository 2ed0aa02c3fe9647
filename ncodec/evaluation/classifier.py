"""Machine perceptual quality: does a classifier see the same thing in the decoded picture?

The classifiers are those of `ncodec.evaluation.efficientnet`, for the 1000 classes of ImageNet.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from ncodec.errors import InputError
from ncodec.evaluation.efficientnet import MEASURING, network, variant
from ncodec.evaluation.metrics import Pictures, as_array

MARGIN = 32

Labels = NDArray[np.int64]


def classify(pictures: Pictures, name: str = MEASURING) -> Labels:
    """The most likely ImageNet class (0..999) of each RGB picture [B, 3, H, W], [B].

    Pictures are uint8 or float in 0..1. The middle square, 15/17 of the shorter side (7/8 for
    lite0), is resized to the 240 (224) pixels that the network `name` was trained with.
    `OptionError` where the package with its weights is not installed.
    """
    array = as_array(pictures)
    if array.shape[1] != 3:
        raise InputError(f"the classifier takes RGB pictures [B, 3, H, W], got {list(array.shape)}")
    side = variant(name).side
    scale = 255 if array.dtype == np.uint8 else 1
    planes = torch.from_numpy(_middle(array, side).astype(np.float32)) / scale
    with torch.inference_mode():
        planes = F.interpolate(planes, (side, side), mode="bicubic", antialias=True)
        logits = network(name)(planes.clamp(0, 1) * 2 - 1)
    return np.asarray(logits.argmax(1).numpy(), np.int64)


def top1_agreement(
    original: Pictures, decoded: Pictures, name: str = MEASURING
) -> NDArray[np.float64]:
    """1.0 where the classifier says the same of the original and the decoded picture, [B]."""
    return np.equal(classify(original, name), classify(decoded, name)).astype(np.float64)


def top1_accuracy(pictures: Pictures, labels: Labels, name: str = MEASURING) -> NDArray[np.float64]:
    """1.0 where the classifier says what the picture is: `labels` are classes 0..999, [B]."""
    return np.equal(classify(pictures, name), labels).astype(np.float64)


def _middle(array: NDArray[np.generic], wanted: int) -> NDArray[np.generic]:
    height, width = array.shape[2:]
    side = max(1, round(min(height, width) * wanted / (wanted + MARGIN)))
    top, left = (height - side) // 2, (width - side) // 2
    return array[:, :, top : top + side, left : left + side]
