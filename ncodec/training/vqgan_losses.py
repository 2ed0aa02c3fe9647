"""What the painter of the `vqgan` codec is judged by: a classifier's features, and a critic."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CRITIC_WIDTHS = (48, 96, 128)
LARGEST_SHARE = 0.5
"""The critic's say beside all other losses: the ratio of their gradients."""


def feature_distance(made: list[Tensor], wanted: list[Tensor]) -> Tensor:
    """Distance of features [B, C, h, w] of several layers, of unit length at each position.

    After Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric"
    (CVPR 2018), without learned weights: the mean over positions, items and layers.
    """
    found = [
        (_unit(a) - _unit(b)).square().sum(1).mean() for a, b in zip(made, wanted, strict=True)
    ]
    return torch.stack(found).mean()


def _unit(features: Tensor) -> Tensor:
    values = features.float()
    return values / (values.square().sum(1, keepdim=True) + 1e-6).sqrt()


class Critic(nn.Module):
    """Does a patch look like a photograph? Pixels minus 0.5 [B, 3, H, W] -> [B, 1, H/8, W/8]."""

    def __init__(self) -> None:
        super().__init__()
        first, second, third = CRITIC_WIDTHS
        self.layers = nn.Sequential(
            nn.Conv2d(12, first, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(first, second, 3, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(second, third, 3, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(third, 1, 3, padding=1),
        )

    def forward(self, planes: Tensor) -> Tensor:
        """Larger where a patch looks real."""
        score: Tensor = self.layers(F.pixel_unshuffle(planes, 2))
        return score.float()


@dataclass(frozen=True)
class Judged:
    """What the critic says: its own loss, and the painter's gradient [B, 3, H, W] towards it."""

    loss: Tensor
    gradient: Tensor


def judge(critic: Critic, made: Tensor, wanted: Tensor) -> Judged:
    """The critic's hinge loss on real and painted pixels, and where it wants those to go.

    After Lim and Ye, "Geometric GAN" (2017). The gradient does not reach the critic's weights.
    """
    painted = made.detach().requires_grad_(True)
    says = critic(painted)
    (gradient,) = torch.autograd.grad(-says.mean(), painted, retain_graph=True)
    loss = F.relu(1 + says).mean() + F.relu(1 - critic(wanted)).mean()
    return Judged(loss, gradient)


def combined(loss: Tensor, made: Tensor, gradient: Tensor, share: float) -> Tensor:
    """The gradient of a loss by pixels, and the critic's beside it at a fixed share of its length.

    A scale of its own would be wrong at some time in training: at first the critic is easily
    fooled, later it would drown what the picture should show.
    """
    (own,) = torch.autograd.grad(loss, made)
    length = gradient.norm().clamp_min(1e-12)
    found: Tensor = own + gradient * (min(share, LARGEST_SHARE) * own.norm() / length)
    return found
