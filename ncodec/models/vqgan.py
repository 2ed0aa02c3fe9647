"""VQGAN for extreme rates: blocks of 16x16 pixels become words, a network paints from words.

After Mao et al., "Extreme Image Compression using Fine-tuned VQGANs" (DCC 2024), and Esser et al.,
"Taming Transformers" (CVPR 2021). Their encoders are large networks, trained for weeks. Here words
are fitted to what matters of a block (its strongest components, and how much detail the others
hold), and all of the training goes into the decoder.
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ncodec.models.blocks import Modulation, ResidualBlock
from ncodec.models.vqgan_predictor import Predictor
from ncodec.models.word_tree import MISSING_NODE, NODES, STEPS

STRIDE = 16
"""Pixels a side of a block."""
PIXELS = 3 * STRIDE**2
COMPONENTS, DETAIL = 46, 2
"""Of the features of a block: strongest components, and what is left in luma and chroma."""
FEATURES = COMPONENTS + DETAIL
EMBEDDING = 96
KNOTS = 7
"""Octaves of codebook sizes, where tables by the rate have their rows."""
WIDTHS = (224, 112, 64)
BLOCKS = (4, 2, 2)
"""Channels and residual blocks of the decoder at 1/16, 1/8 and 1/4 of the resolution."""
HALO_BLOCKS = 14
"""Blocks around a picture's part that what is painted in it depends on, at most."""
NETWORK_TO_PIXELS = 0.1
CHROMA = 0.4
"""What colours weigh beside brightness."""
DETAIL_WEIGHT = 0.7
MASKING, MASKING_FLOOR = 0.25, 2e-3
"""Errors matter less where a block and those around it are busy: this power of the variance."""


class BlockEncoder(nn.Module):
    """Pictures to features of blocks, and how distances from words are weighed.

    Attributes:
        basis: strongest components of blocks in weighted opponent colours, [COMPONENTS, 768].
        centroids: features of each node, [2047, FEATURES].
        slopes: what a bit may cost in distance at each rate step, [97].
    """

    basis: Tensor
    centroids: Tensor
    slopes: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("basis", torch.zeros(COMPONENTS, PIXELS))
        self.register_buffer("centroids", torch.zeros(NODES, FEATURES))
        self.register_buffer("slopes", torch.zeros(STEPS))

    def forward(self, planes: Tensor) -> Tensor:
        """Pixels minus 0.5 [B, 3, H, W], multiples of 16 -> features [B, FEATURES, h, w]."""
        with torch.autocast(planes.device.type, enabled=False):
            blocks = F.pixel_unshuffle(opponent(planes.float()), STRIDE)
            kept = F.conv2d(blocks, self.basis[:, :, None, None])
            left = blocks - F.conv2d(kept, self.basis.T[:, :, None, None])
            luma, chroma = left[:, : STRIDE**2], left[:, STRIDE**2 :]
            detail = [part.square().sum(1, keepdim=True).sqrt() for part in (luma, chroma)]
            return torch.cat([kept, *(DETAIL_WEIGHT * part for part in detail)], 1)

    def weight(self, planes: Tensor) -> Tensor:
        """How much an error matters in each block of pixels minus 0.5: [B, 1, h, w], at most 1."""
        with torch.autocast(planes.device.type, enabled=False):
            luma = opponent(planes.float())[:, :1]
            mean = F.avg_pool2d(luma, STRIDE)
            variance = (F.avg_pool2d(luma.square(), STRIDE) - mean.square()).clamp_min(0)
            around = F.avg_pool2d(variance, 3, 1, padding=1, count_include_pad=False)
            found: Tensor = (MASKING_FLOOR / (around + MASKING_FLOOR)) ** MASKING
            return found


def opponent(planes: Tensor) -> Tensor:
    """RGB [B, 3, H, W] -> brightness, and two differences of colours that weigh less."""
    red, green, blue = planes.unbind(1)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return torch.stack([luma, CHROMA * 0.564 * (blue - luma), CHROMA * 0.713 * (red - luma)], 1)


def colours(planes: Tensor) -> Tensor:
    """Undo `opponent`."""
    luma, blueness, redness = planes.unbind(1)
    blue, red = luma + blueness / (CHROMA * 0.564), luma + redness / (CHROMA * 0.713)
    return torch.stack([red, (luma - 0.299 * red - 0.114 * blue) / 0.587, blue], 1)


class Painter(nn.Module):
    """Nodes to pixels: the mean block of each node, corrected by what is around, then details."""

    basis: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("basis", torch.zeros(COMPONENTS, PIXELS))
        self.embedding = nn.Parameter(torch.zeros(NODES + 1, EMBEDDING))
        self.enter = nn.Conv2d(EMBEDDING, WIDTHS[0], 3, padding=1)
        self.rate = Modulation(KNOTS, WIDTHS[0])
        self.stages = nn.ModuleList(
            nn.Sequential(*(ResidualBlock(width) for _ in range(count)))
            for width, count in zip(WIDTHS, BLOCKS, strict=True)
        )
        self.rises = nn.ModuleList(
            nn.Conv2d(low, 4 * high, 3, padding=1) for low, high in pairwise(WIDTHS)
        )
        self.correct = nn.Conv2d(WIDTHS[0], COMPONENTS, 1)
        self.leave = nn.Conv2d(WIDTHS[-1], 48, 3, padding=1)

    def forward(self, nodes: Tensor, rate: Tensor) -> Tensor:
        """Nodes [B, h, w] at rates [B] in 0..1 -> pixels minus 0.5 [B, 3, 16h, 16w]."""
        hidden, components = self.blocks(nodes, rate)
        for rise, stage in zip(self.rises, self.stages[1:], strict=True):
            hidden = stage(F.pixel_shuffle(F.leaky_relu(rise(hidden), 0.1), 2))
        painted = F.pixel_shuffle(self.leave(F.leaky_relu(hidden, 0.1)).float(), 4)
        with torch.autocast(nodes.device.type, enabled=False):
            blocks = F.conv2d(components, self.basis.T[:, :, None, None])
            return colours(F.pixel_shuffle(blocks, STRIDE)) + NETWORK_TO_PIXELS * painted

    def blocks(self, nodes: Tensor, rate: Tensor) -> tuple[Tensor, Tensor]:
        """What is known of blocks: hidden values [B, C, h, w] and components [B, 46, h, w]."""
        seen = F.embedding(nodes, self.embedding).permute(0, 3, 1, 2)
        hidden: Tensor = self.stages[0](self.rate(self.enter(seen), rate))
        corrections = self.correct(F.leaky_relu(hidden, 0.1)).float()
        return hidden, seen[:, :COMPONENTS].float() + corrections


class Vqgan(nn.Module):
    """All parts of the codec that files are made and shown with."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = BlockEncoder()
        self.decoder = Painter()
        self.predictor = Predictor(MISSING_NODE)
