"""WaLLoC: wavelet packets, a nearly linear autoencoder, and a context model of its own.

After Jacobellis, Yadwadkar, "Learned Compression for Compressed Learning" (2024): an encoder of one
linear map over wavelet packets, cheap enough for a sensor, and a decoder of a few dense blocks. It
stores its latents in the WebP format; here they are coded under tables that are chosen from what
was coded before: coarse positions first, then those in between (`ncodec.models.pyramid`), and at
each position the strong channels before the weak ones.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ncodec.models.blocks import Modulation, RateTable, ResidualBlock, add_noise
from ncodec.models.prediction import Predictors, along
from ncodec.models.pyramid import Pass, pyramid
from ncodec.models.rates import KNOTS, logistic_bits, round_priced
from ncodec.models.walloc_medium import Medium, hidden_units, network_sizes, used_kinds

# The last layer sums over many inputs: one optimiser step must not move bands by a quantiser step.
NETWORK_TO_BANDS = 0.05
TRAINING_ONLY = ("prior.start", "prior.scales", "prior.predictors.relief", "prior.predictors.price")


@dataclass
class Forward:
    """What one training step needs: bands as they went in, and bits of each item [B]."""

    bands: Tensor
    bits: Tensor


class ScaleNetwork(nn.Module):
    """Log scales from levels of what was coded before: one hidden layer, both biases by the rate.

    Only its exact integer twin ever decides an entropy table.
    """

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Linear(inputs, hidden, bias=False)
        self.first_bias = RateTable(KNOTS, hidden)
        self.second = nn.Linear(hidden, outputs, bias=False)
        self.second_bias = RateTable(KNOTS, outputs)

    def forward(self, levels: Tensor, rate: Tensor) -> Tensor:
        """Levels [B, n, inputs] at rates [B] -> log scales [B, n, outputs]."""
        hidden = F.relu(self.first(levels) + by_row(self.first_bias(rate)))
        found: Tensor = self.second(hidden) + by_row(self.second_bias(rate))
        return found


class MeanNetwork(nn.Module):
    """Means from the values around: a linear map, trusted more or less at each rate."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.taps = nn.Parameter(torch.zeros(outputs, inputs))
        self.trust = RateTable(KNOTS, outputs)

    def forward(self, values: Tensor, rate: Tensor) -> Tensor:
        """Values [B, n, inputs] at rates [B] -> means [B, n, outputs]."""
        return F.linear(values, self.taps) * (1 + by_row(self.trust(rate)))


def by_row(table: Tensor) -> Tensor:
    """[B, C, 1, 1] -> [B, 1, C]."""
    return table.flatten(1)[:, None]


@dataclass
class Foresight:
    """What is known of a pass beforehand, and the bits [B] that it takes to say so.

    Attributes:
        mean: means of latents [B, n, M].
        relief: for scale networks, how much smaller that leaves each channel, [B, ., seen or 0].
    """

    mean: Tensor
    relief: Tensor
    bits: Tensor


class Prior(nn.Module):
    """The distribution of a latent [B, M, h, w], pass after pass and group after group.

    Attributes:
        start: log scales of the first group of the first pass, by the rate.
        scales: networks of every other group, named "KIND_GROUP" in the weights.
        means: networks of every pass but the first, or:
        predictors: of latents of one row, chosen anew for each seen channel of a pass.
    """

    def __init__(self, medium: Medium) -> None:
        super().__init__()
        self.medium = medium
        self.start = RateTable(KNOTS, medium.spans(0)[0][1])
        self.scales, self.means = nn.ModuleDict(), nn.ModuleDict()
        for name, (inputs, outputs) in network_sizes(medium).items():
            self.scales[name] = ScaleNetwork(inputs, hidden_units(medium, name), outputs)
        for kind in used_kinds(medium)[1:] if medium.foreseen else ():
            around = medium.neighbours * medium.foreseen
            self.means[f"{kind}"] = MeanNetwork(around, medium.foreseen)
        if not medium.foreseen:
            self.predictors = Predictors()

    def forward(self, y: Tensor, gain: Tensor, rate: Tensor) -> tuple[Tensor, Tensor]:
        """Latents [B, M, h, w] and gains [B, M, 1, 1] at rates [B] -> rounded latents, bits [B]."""
        batch, channels, height, width = y.shape
        grid = pyramid(height, width, self.medium.coarsest, y.device)
        rows = y.flatten(2).transpose(1, 2)[:, grid.order]
        values = rows.new_zeros(batch, 0, channels)
        levels, bits = rows.new_zeros(batch, 0, self.medium.seen), rows.new_zeros(batch)
        for part in grid.passes:
            here = rows[:, part.start : part.stop]
            found = self._pass(part, here, values, levels, by_row(gain), rate)
            values, levels = torch.cat([values, found[0]], 1), torch.cat([levels, found[1]], 1)
            bits = bits + found[2]
        latent = values[:, grid.rank].transpose(1, 2).reshape(y.shape)
        return latent, bits

    def _pass(
        self, part: Pass, here: Tensor, values: Tensor, levels: Tensor, gain: Tensor, rate: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Values [B, n, M] and levels [B, n, seen] of a pass, and their bits [B]."""
        known = self.foresee(part, here, values, gain, rate)
        residual = (here - known.mean) * gain
        relief = known.relief.expand(-1, part.stop - part.start, -1)
        around = torch.cat([relief, self._around(part, levels)], 2)
        rounded, found, bits = list[Tensor](), list[Tensor](), known.bits
        for number, (first, stop) in enumerate(self.medium.spans(part.kind)):
            log_scale = self.log_scale(part, number, torch.cat([around, *found], 2), rate)
            value = residual[:, :, first:stop]
            bits = bits + logistic_bits(add_noise(value), log_scale).sum((1, 2))
            rounded.append(round_priced(value, log_scale))
            found.append(torch.log2(1 + rounded[-1].detach().abs()))
        levels = torch.cat(found, 2)[..., : self.medium.seen]
        return torch.cat(rounded, 2) / gain + known.mean, levels, bits

    def _around(self, part: Pass, levels: Tensor) -> Tensor:
        """What scale networks see of levels [B, ., seen] around a pass: [B, n, .]."""
        found = gathered(part, levels, self.medium.neighbours)
        if not self.medium.summed or part.around is None:
            return found
        return found.reshape(*found.shape[:2], -1, levels.shape[2]).sum(2)

    def log_scale(self, part: Pass, group: int, levels: Tensor, rate: Tensor) -> Tensor:
        """Log scales [B, n, .] of a group from all levels known [B, n, .]."""
        if not levels.shape[2]:
            return by_row(self.start(rate)).expand(-1, part.stop - part.start, -1)
        found: Tensor = self.scales[f"{part.kind}_{group}"](levels, rate)
        return found

    def foresee(
        self, part: Pass, here: Tensor, values: Tensor, gain: Tensor, rate: Tensor
    ) -> Foresight:
        """Means of latents `here` [B, n, M] of a pass from the values known [B, ., M]."""
        free = here.new_zeros(len(here))
        nothing = here.new_zeros(len(here), 1, self.medium.reliefs(part.kind))
        if f"{part.kind}" in self.means:
            count = self.medium.foreseen
            around = gathered(part, values[..., :count], self.medium.neighbours)
            mean = F.pad(self.means[f"{part.kind}"](around, rate), (0, here.shape[2] - count))
            return Foresight(mean, nothing, free)
        if self.medium.foreseen or part.along is None:
            return Foresight(torch.zeros_like(here), nothing, free)
        return self._predicted(part, here, values, gain)

    @torch.no_grad()
    def _predicted(self, part: Pass, here: Tensor, values: Tensor, gain: Tensor) -> Foresight:
        """By the predictor that suits each channel best."""
        count, table = self.medium.seen, self.predictors
        around, steps = along(part, values[..., :count]), gain[..., :count]
        chosen = table.choose(here[..., :count] * steps, around * steps[:, None], table.price)
        mean = F.pad(table.mean(chosen, around), (0, here.shape[2] - count))
        return Foresight(mean, table.relief[chosen][:, None], table.price[chosen].sum(1))


def gathered(part: Pass, rows: Tensor, neighbours: int, scratch: Tensor | None = None) -> Tensor:
    """What rows [B, ., M] in coding order hold around a pass: [B, n, neighbours M].

    With `scratch` it lies in the memory of that, which grows as needed.
    """
    if part.around is None:
        return rows.new_zeros(len(rows), part.stop - part.start, 0)
    around = part.around[:, -neighbours:].flatten()
    place = None if scratch is None else scratch.resize_(0)
    found = torch.index_select(rows, 1, around, out=place)
    return found.reshape(len(rows), part.stop - part.start, -1)


class LinearMap(nn.Module):
    """A 1x1 convolution in float32: bfloat16 would round the strongest components too coarsely."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.basis = nn.Parameter(torch.empty(outputs, inputs))
        nn.init.orthogonal_(self.basis)

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, h, w] -> [B, outputs, h, w]."""
        with torch.autocast(x.device.type, enabled=False):
            return F.conv2d(x.float(), self.basis[:, :, None, None])


class WaveletSynthesis(nn.Module):
    """Latent [B, M, h, w] -> bands [B, K, h, w]: a linear map and a network's corrections."""

    def __init__(self, medium: Medium) -> None:
        super().__init__()
        kernel, width = medium.kernel, medium.width
        padding = (kernel[0] // 2, kernel[1] // 2)
        self.linear = LinearMap(medium.latents, medium.bands)
        self.enter = nn.Conv2d(medium.latents, width, kernel, padding=padding)
        self.rate = Modulation(KNOTS, width)
        self.blocks = nn.Sequential(*(ResidualBlock(width, kernel) for _ in range(medium.blocks)))
        self.leave = nn.Sequential(nn.LeakyReLU(0.1), nn.Conv2d(width, medium.bands, 1))

    def forward(self, y: Tensor, rate: Tensor) -> Tensor:
        """Bands of rounded latents; rates [B] tell how coarsely they were rounded."""
        hidden = self.blocks(self.rate(self.enter(y), rate))
        bands: Tensor = self.linear(y) + NETWORK_TO_BANDS * self.leave(hidden).float()
        return bands


class Walloc(nn.Module):
    """All parts of the codec; `forward` is the training pass."""

    spread: Tensor

    def __init__(self, medium: Medium) -> None:
        super().__init__()
        self.medium = medium
        self.analysis = LinearMap(medium.bands, medium.latents)
        self.synthesis = WaveletSynthesis(medium)
        self.prior = Prior(medium)
        self.log_gain = RateTable(KNOTS, medium.latents)
        self.register_buffer("spread", torch.ones(1, medium.latents, 1, 1))

    @classmethod
    def for_coding(cls, medium: Medium) -> "Walloc":
        """A model without the parts that only training has: an exact twin decides scales."""
        model = cls(medium)
        model.prior.scales = nn.ModuleDict()
        del model.prior.start
        if not medium.foreseen:
            del model.prior.predictors.relief, model.prior.predictors.price
        return model

    def forward(self, bands: Tensor, rate: Tensor) -> Forward:
        """Bands [B, K, h, w] at rates [B] in 0..1."""
        y = self.analysis(bands)
        with torch.autocast(y.device.type, enabled=False):
            latent, bits = self.prior(y, self.gain(rate), rate)
        return Forward(self.synthesis(latent, rate), bits)

    def gain(self, rate: Tensor) -> Tensor:
        """What latents are multiplied by before rounding, [B, M, 1, 1]."""
        gain: Tensor = self.log_gain(rate).exp() * self.spread
        return gain
