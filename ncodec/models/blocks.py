"""Small pieces that several models share."""

import torch
from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """Two dense convolutions beside a skip: [B, C, H, W] -> [B, C, H, W].

    `kernel` is the size of both, odd: 3x3 unless told otherwise.
    """

    def __init__(self, channels: int, kernel: tuple[int, int] = (3, 3)) -> None:
        super().__init__()
        padding = (kernel[0] // 2, kernel[1] // 2)
        self.first = nn.Conv2d(channels, channels, kernel, padding=padding)
        self.second = nn.Conv2d(channels, channels, kernel, padding=padding)
        self.act = nn.LeakyReLU(0.1, inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return x plus its correction."""
        corrected: Tensor = x + self.second(self.act(self.first(x)))
        return corrected


class RateTable(nn.Module):
    """One learned vector a rate: linear between `knots` equally spaced rates in 0..1.

    A variable-rate model needs gains that follow the rate (Cui et al., "Asymmetric Gained Deep
    Image Compression With Continuous Rate Adaptation", CVPR 2021). Interpolating between few
    knots keeps the table small and every rate in between smooth.
    """

    def __init__(self, knots: int, channels: int) -> None:
        super().__init__()
        self.values = nn.Parameter(torch.zeros(knots, channels))

    def forward(self, rate: Tensor) -> Tensor:
        """Rates [B] in 0..1 -> vectors [B, C, 1, 1]."""
        knots = self.values.shape[0]
        position = rate.clamp(0, 1) * (knots - 1)
        low = position.floor().clamp(max=knots - 2)
        weight = (position - low).unsqueeze(1)
        index = low.long()
        mixed = torch.lerp(self.values[index], self.values[index + 1], weight)
        return mixed[:, :, None, None]


class Modulation(nn.Module):
    """Scale and shift of each channel by the rate: the network learns how coarse its input is."""

    def __init__(self, knots: int, channels: int) -> None:
        super().__init__()
        self.scale = RateTable(knots, channels)
        self.shift = RateTable(knots, channels)

    def forward(self, x: Tensor, rate: Tensor) -> Tensor:
        """[B, C, H, W] and rates [B] -> [B, C, H, W]."""
        modulated: Tensor = x * (1 + self.scale(rate)) + self.shift(rate)
        return modulated


def bias_of(layer: nn.Conv2d) -> Tensor:
    """The bias of a convolution [C], zeros where it has none."""
    return layer.weight.new_zeros(layer.out_channels) if layer.bias is None else layer.bias


def lay_out(module: nn.Module, memory_format: torch.memory_format) -> None:
    """Put a module's convolution weights into a memory format; `channels_last` runs fastest."""
    for parameter in module.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=memory_format)


def matrix_tiles(device: torch.device) -> bool:
    """Whether bfloat16 convolutions are the fast ones: on processors with matrix tiles (AMX).

    Without them, bfloat16 ran at half the speed of float32 (measured). Not on GPUs, where float32
    is fast enough to code with.
    """
    supported = getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    return device.type == "cpu" and bool(supported())


def narrow(device: torch.device) -> torch.autocast:
    """bfloat16 where it is fast and precise enough: beside a linear transform in float32.

    The corrections that a synthesis adds are a few code values; an eight-bit mantissa moves
    them by less than a fifth of one (measured), so pixels still differ by one at most.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=matrix_tiles(device))


def narrow_weights(module: nn.Module, device: torch.device) -> None:
    """Round the convolutions of a module that runs within `narrow` once, not at every call."""
    if matrix_tiles(device):
        for layer in module.modules():
            if isinstance(layer, nn.Conv2d):
                layer.to(torch.bfloat16)


def centred(pixels: Tensor) -> Tensor:
    """Pixels, uint8 [B, C, H, W], as the networks take them: -0.5..0.5, plane by plane."""
    planes = torch.empty(pixels.shape, device=pixels.device)
    return planes.copy_(pixels).div_(255).sub_(0.5)


def round_through(x: Tensor) -> Tensor:
    """Round, with the gradient of the identity (straight-through estimator)."""
    return x + (x.round() - x).detach()


def add_noise(x: Tensor) -> Tensor:
    """Uniform noise of one step: the differentiable stand-in for rounding."""
    return x + (torch.rand(x.shape, device=x.device) - 0.5)


def checkerboard(like: Tensor) -> Tensor:
    """[1, 1, H, W] for a tensor [B, C, H, W]: true where row + column is even, at the anchors."""
    rows = torch.arange(like.shape[-2], device=like.device)[:, None]
    columns = torch.arange(like.shape[-1], device=like.device)[None, :]
    return ((rows + columns) % 2 == 0)[None, None]
