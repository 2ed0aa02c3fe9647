"""Analysis and synthesis of pictures: a lapped linear transform beside a convolutional network.

The sizes follow what two CPU cores do well: dense 3x3 convolutions at a quarter of the resolution
and below, channels in multiples of 32, pixel shuffles between scales.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ncodec.models.blocks import Modulation, ResidualBlock
from ncodec.models.lapped import LappedTransform

# The last layers sum over a thousand inputs: without these factors one optimiser step moves their
# outputs by more than a quantiser step, and training explodes.
NETWORK_TO_LATENT = 0.1
NETWORK_TO_PIXELS = 0.025


def _down(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride=2, padding=1)


class AnalysisTransform(nn.Module):
    """Pixels minus 0.5 [B, 3, H, W] -> latent [B, M, H/16, W/16]; about 27 kMAC a pixel."""

    def __init__(self, latents: int) -> None:
        super().__init__()
        self.linear = LappedTransform(latents)
        self.network = nn.Sequential(
            nn.PixelUnshuffle(4),
            nn.Conv2d(48, 96, 3, padding=1),
            ResidualBlock(96),
            _down(96, 128),
            ResidualBlock(128),
            ResidualBlock(128),
            _down(128, 160),
            ResidualBlock(160),
            nn.LeakyReLU(0.1),
            nn.Conv2d(160, latents, 3, padding=1),
        )

    def forward(self, x: Tensor, spread: Tensor) -> Tensor:
        """The linear components and the network's corrections, relative to the spread."""
        corrections = NETWORK_TO_LATENT * self.network(x).float() / spread
        latent: Tensor = self.linear(x) + corrections
        return latent


class SynthesisTransform(nn.Module):
    """Latent [B, M, h, w] -> pixels minus 0.5 [B, 3, 16 h, 16 w]; about 15 kMAC a pixel."""

    def __init__(self, latents: int, knots: int) -> None:
        super().__init__()
        self.linear = LappedTransform(latents)
        self.enter = nn.Conv2d(latents, 160, 3, padding=1)
        self.coarse_rate = Modulation(knots, 160)
        self.coarse = nn.Sequential(
            ResidualBlock(160), nn.Conv2d(160, 384, 3, padding=1), nn.PixelShuffle(2)
        )
        self.fine_rate = Modulation(knots, 96)
        self.fine = nn.Sequential(
            ResidualBlock(96),
            nn.LeakyReLU(0.1),
            nn.Conv2d(96, 256, 3, padding=1),
            nn.PixelShuffle(2),
            nn.LeakyReLU(0.1),
            nn.Conv2d(64, 48, 3, padding=1),
            nn.PixelShuffle(4),
        )

    def forward(self, y: Tensor, rate: Tensor) -> Tensor:
        """Pixels from dequantised latents; rates [B] tell how coarsely they were rounded."""
        hidden = self.coarse_rate(self.enter(y), rate)
        hidden = self.fine_rate(self.coarse(hidden), rate)
        corrections: Tensor = NETWORK_TO_PIXELS * self.fine(hidden).float()
        return self.linear.inverse(y) + corrections


class HyperAnalysis(nn.Module):
    """Latent [B, M, h, w] -> hyperlatent [B, N, ceil(h/4), ceil(w/4)]."""

    def __init__(self, latents: int, hyper: int) -> None:
        super().__init__()
        self.network = nn.Sequential(
            nn.Conv2d(2 * latents, hyper, 1),
            nn.LeakyReLU(0.1),
            _down(hyper, hyper),
            nn.LeakyReLU(0.1),
            _down(hyper, hyper),
        )

    def forward(self, y: Tensor) -> Tensor:
        """Scales are logarithms of magnitudes, so the network is given those beside the latent."""
        result: Tensor = self.network(torch.cat([y, torch.log1p(4 * y.abs())], 1))
        return result


class HyperSynthesis(nn.Module):
    """Hyperlatent [B, N, h, w] -> features [B, C, 4 h, 4 w], convolutions and ReLU only.

    The plain layers are what an exact integer network can be made of (`docs/format.md`).
    """

    def __init__(self, hyper: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(hyper, 4 * hyper, 3, padding=1)
        self.second = nn.Conv2d(hyper, 4 * hyper, 3, padding=1)
        self.last = nn.Conv2d(hyper, outputs, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        """Two shuffles double the resolution twice."""
        hidden = F.relu(F.pixel_shuffle(self.first(z), 2))
        hidden = F.relu(F.pixel_shuffle(self.second(hidden), 2))
        result: Tensor = self.last(hidden)
        return result


class MeanContext(nn.Module):
    """Means of the latent from hyperprior features and, for half of it, from the other half.

    Anchors (a checkerboard) are predicted from the hyperlatent alone, the rest also from the
    anchors around them (He et al., "Checkerboard Context Model for Efficient Learned Image
    Compression", CVPR 2021). Only means, never scales: the entropy decoder does not wait for it.
    """

    def __init__(self, features: int, latents: int) -> None:
        super().__init__()
        self.anchor_head = nn.Conv2d(features, latents, 1)
        self.around = nn.Conv2d(latents, features, 3, padding=1)
        self.head = nn.Sequential(
            nn.Conv2d(2 * features, features, 1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(features, latents, 1),
        )

    def anchors(self, features: Tensor) -> Tensor:
        """Features [B, C, h, w] -> means relative to the spread [B, M, h, w]."""
        result: Tensor = self.anchor_head(features)
        return result

    def others(self, features: Tensor, known: Tensor) -> Tensor:
        """The same for the other half; `known` [B, M, h, w] holds the anchors, relative, else 0."""
        result: Tensor = self.head(torch.cat([features, self.around(known)], 1))
        return result
