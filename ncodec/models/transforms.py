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


NARROWEST = 3


class Down(nn.Conv2d):
    """A 3x3 convolution to half of the size, [B, C, H, W] -> [B, D, ceil(H / 2), ceil(W / 2)].

    In bfloat16 with matrix tiles, those of oneDNN read memory that nobody wrote where the input is
    one or two columns wide (seen with torch 2.9): columns of zeros make it wider.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3, stride=2, padding=1)

    def forward(self, input: Tensor) -> Tensor:
        """See the class."""
        missing = max(0, NARROWEST - input.shape[-1])
        found = super().forward(F.pad(input, (0, missing)) if missing else input)
        return found[..., : -(-input.shape[-1] // 2)]


class AnalysisTransform(nn.Module):
    """Pixels minus 0.5 [B, 3, H, W] -> latent [B, M, H/16, W/16]; about 27 kMAC a pixel."""

    def __init__(self, latents: int) -> None:
        super().__init__()
        self.linear = LappedTransform(latents)
        self.network = nn.Sequential(
            nn.PixelUnshuffle(4),
            nn.Conv2d(48, 96, 3, padding=1),
            ResidualBlock(96),
            Down(96, 128),
            ResidualBlock(128),
            ResidualBlock(128),
            Down(128, 160),
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
            Down(hyper, hyper),
            nn.LeakyReLU(0.1),
            Down(hyper, hyper),
        )

    def forward(self, y: Tensor) -> Tensor:
        """Scales are logarithms of magnitudes, so the network is given those beside the latent."""
        result: Tensor = self.network(torch.cat([y, torch.log1p(4 * y.abs())], 1))
        return result


class HyperSynthesis(nn.Module):
    """Hyperlatent [B, N, h, w] -> features [B, C, 4 h, 4 w], convolutions and ReLU only."""

    def __init__(self, hyper: int, outputs: int) -> None:
        super().__init__()
        self.trunk = HyperTrunk(hyper)
        self.last = nn.Conv2d(hyper, outputs, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        """Features for the means."""
        result: Tensor = self.last(self.trunk(z))
        return result


class HyperTrunk(nn.Module):
    """Hyperlatent [B, N, h, w] -> features >= 0 [B, N, 4 h, 4 w]; two shuffles double twice."""

    def __init__(self, hyper: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(hyper, 4 * hyper, 3, padding=1)
        self.second = nn.Conv2d(hyper, 4 * hyper, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        """Plain layers, of which an exact integer network can be made."""
        hidden = F.relu(F.pixel_shuffle(self.first(z), 2))
        return F.relu(F.pixel_shuffle(self.second(hidden), 2))


def cross(kernel: Tensor) -> Tensor:
    """What a 3x3 kernel [O, I, 3, 3] does above, left, right and below: a kernel [4 O, I, 1, 1].

    On a checkerboard an other has anchors there and nowhere else.
    """
    parts = kernel[:, :, [0, 1, 1, 2], [1, 0, 2, 1]].permute(2, 0, 1)
    return parts.flatten(0, 1)[:, :, None, None]


class ScalePrior(nn.Module):
    """Log scales of the latent from the hyperlatent and, for half of it, from the other half.

    Only the exact integer twins of these layers ever decide an entropy table (`docs/payloads.md`),
    so they are plain: convolutions and ReLU, and magnitudes through a logarithm that is a table.
    """

    def __init__(self, hyper: int, latents: int, hidden: int) -> None:
        super().__init__()
        self.trunk = HyperTrunk(hyper)
        self.head = nn.Conv2d(hyper, latents, 1)
        self.around = nn.Conv2d(latents, hidden, 3, padding=1, bias=False)
        self.here = nn.Conv2d(hyper, hidden, 1)
        self.last = nn.Conv2d(hidden, latents, 1)

    def surprise(self, features: Tensor, anchors: Tensor) -> Tensor:
        """What the anchors' integers [B, M, h, w] (0 elsewhere) add to the others' log scales."""
        magnitude = torch.log2(1 + anchors.detach().abs())
        added: Tensor = self.last(F.relu(self.around(magnitude) + self.here(features)))
        return added


class MeanContext(nn.Module):
    """Means of the latent from hyperprior features and, for half of it, from the other half.

    Anchors (a checkerboard) are predicted from the hyperlatent alone, the rest also from the
    anchors around them. Floating point is enough here: means move pixels, not entropy tables.
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

    def others(self, features: Tensor, around: Tensor) -> Tensor:
        """The same for the other half; `around` is that layer's output for the anchors, else 0."""
        result: Tensor = self.head(torch.cat([features, around], 1))
        return result
