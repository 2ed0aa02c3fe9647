"""Group-residual vector quantisation with codebooks that follow the latents by averages.

After Yang et al., "HiFi-Codec" (2023) for the groups. Codebooks are exponential averages (van den
Oord et al., "Neural Discrete Representation Learning", 2017); codes that die start anew with a
full share of the average, as in Mimi (Défossez et al., "Moshi", 2024), so that the update that
follows leaves them where they are.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

DECAY = 0.99
DEAD_SHARE = 0.1
"""A code used less than this part of an equal share is dead."""
KMEANS_ROUNDS = 10


@dataclass(frozen=True)
class Quantised:
    """One pass through the quantiser.

    Values [B, T, G D] with the latent's gradient, the loss that keeps the latent near its codes,
    indices [K, B T], and the residuals [K, B T, D] that each codebook saw.
    """

    values: Tensor
    commitment: Tensor
    indices: Tensor
    residuals: Tensor


class GroupResidualQuantiser(nn.Module):
    """`groups` parts of the latent, each quantised in `layers` steps by `entries` codewords.

    Codebook k = groups * layer + group; any first n of them give a coarser latent.
    """

    codebooks: Tensor
    usage: Tensor
    sums: Tensor
    started: Tensor

    def __init__(self, groups: int, layers: int, entries: int, size: int) -> None:
        super().__init__()
        self.groups, self.layers, self.entries, self.size = groups, layers, entries, size
        shape = (groups * layers, entries, size)
        self.register_buffer("codebooks", torch.zeros(shape))
        self.register_buffer("usage", torch.zeros(shape[:2]))
        self.register_buffer("sums", torch.zeros(shape))
        self.register_buffer("started", torch.zeros((), dtype=torch.int32))

    def forward(self, latent: Tensor, counts: Tensor) -> Quantised:
        """Quantise [B, T, G D] to the first `counts` [B, T] codebooks of each frame."""
        rest = latent.reshape(-1, self.groups, self.size).transpose(0, 1)
        target, total = rest, torch.zeros_like(rest)
        misses, found, seen = [], [], []
        for layer in range(self.layers):
            first = layer * self.groups
            books = self.codebooks[first : first + self.groups]
            indices = nearest(rest.detach(), books)
            chosen = torch.stack([book[i] for book, i in zip(books, indices, strict=True)])
            used = self._used(counts, first)
            misses.append(
                ((rest - chosen).square().mean(2, keepdim=True) * used).sum()
                / used.sum().clamp_min(1)
            )
            found.append(indices)
            seen.append(rest.detach())
            total = total + chosen * used
            # The codewords are constants, so that every layer's loss reaches the latent.
            rest = target - (target - rest + chosen).detach()
        values = target + (total - target).detach()
        values = values.transpose(0, 1).flatten(1).view_as(latent)
        return Quantised(values, torch.stack(misses).sum(), torch.cat(found), torch.cat(seen))

    def _used(self, counts: Tensor, first: int) -> Tensor:
        """1 where a frame has the codebooks `first` .. of a layer, else 0: [G, B T, 1]."""
        number = first + torch.arange(self.groups, device=counts.device)
        return (counts.flatten()[None] > number[:, None]).float().unsqueeze(2)

    @torch.no_grad()
    def start(self, latent: Tensor) -> None:
        """Set the codebooks by k-means on latents [M, G D], layer after layer."""
        rest = latent.reshape(-1, self.groups, self.size).transpose(0, 1)
        for number in range(len(self.codebooks)):
            group = number % self.groups
            centres, indices = kmeans(rest[group], self.entries)
            self.codebooks[number] = centres
            counted = torch.bincount(indices, minlength=self.entries).float().clamp_min(1)
            self.usage[number] = counted
            self.sums[number] = centres * counted[:, None]
            rest[group] -= centres[indices]
        self.started.fill_(1)

    @torch.no_grad()
    def follow(self, indices: Tensor, residuals: Tensor) -> None:
        """Move the averages toward what each codebook saw: [K, M] and [K, M, D]."""
        for number, (chosen, seen) in enumerate(zip(indices, residuals, strict=True)):
            counted = torch.bincount(chosen, minlength=self.entries).float()
            summed = torch.zeros_like(self.sums[number]).index_add_(0, chosen, seen)
            self.usage[number].mul_(DECAY).add_(counted, alpha=1 - DECAY)
            self.sums[number].mul_(DECAY).add_(summed, alpha=1 - DECAY)
        self.codebooks.copy_(self.sums / self.usage.clamp_min(1e-6).unsqueeze(2))

    @torch.no_grad()
    def revive(self, residuals: Tensor) -> int:
        """Replace dead codes by residuals [K, M, D] just seen; returns how many there were."""
        dead = self.usage < DEAD_SHARE * self.usage.mean(1, keepdim=True)
        share = self.usage.mean(1)
        for number in dead.any(1).nonzero().flatten().tolist():
            codes = dead[number].nonzero().flatten()
            drawn = torch.randint(residuals.shape[1], codes.shape, device=residuals.device)
            born = residuals[number, drawn]
            self.codebooks[number, codes] = born
            self.usage[number, codes] = share[number]
            self.sums[number, codes] = born * share[number]
        return int(dead.sum())

    def perplexity(self) -> Tensor:
        """How many codes each codebook uses, as the exponential of the usage's entropy: [K]."""
        share = self.usage / self.usage.sum(1, keepdim=True).clamp_min(1e-6)
        return (-(share * share.clamp_min(1e-12).log()).sum(1)).exp()


def nearest(points: Tensor, centres: Tensor) -> Tensor:
    """Index of the nearest centre: [G, M, D] and [G, N, D] -> [G, M]."""
    half = centres.square().sum(2).mul(0.5).unsqueeze(1)
    return torch.baddbmm(half, points, centres.transpose(1, 2), alpha=-1).min(2).indices


def kmeans(points: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """`count` centres [N, D] of points [M, D], and the nearest centre of each point [M].

    Starts from random points; centres without points move to random points.
    """
    centres = points[torch.randperm(len(points))[:count]]
    if len(centres) < count:
        centres = points[torch.randint(len(points), (count,))]
    for _ in range(KMEANS_ROUNDS):
        indices = nearest(points[None], centres[None])[0]
        counted = torch.bincount(indices, minlength=count).float()
        summed = torch.zeros_like(centres).index_add_(0, indices, points)
        spare = points[torch.randint(len(points), (count,))]
        means = summed / counted.clamp_min(1).unsqueeze(1)
        centres = torch.where(counted.unsqueeze(1) > 0, means, spare)
    return centres, nearest(points[None], centres[None])[0]
