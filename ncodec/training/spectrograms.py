"""Spectra of sounds [B, N] with quick gradients.

The gradients that torch derives for overlapping frames and real transforms take several times as
long: they gather frames element by element and transform complex frames.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor

from ncodec.models.spectra import LEVEL


@cache
def taper(window: int) -> Tensor:
    """Hann window that makes noise of -26 dBFS about 1 in the spectrum."""
    curve = torch.hann_window(window)
    return curve / curve.square().sum().sqrt() * LEVEL


def frames(x: Tensor, window: int, hop: int) -> Tensor:
    """Tapered frames [B, T, window]; hop divides window."""
    count = (x.shape[1] - window) // hop + 1
    parts = x[:, : (count - 1) * hop + window].reshape(len(x), -1, hop)
    side = [parts[:, i : i + count] for i in range(window // hop)]
    return torch.cat(side, 2) * taper(window).to(x.device)


def _spread(gradient: Tensor, hop: int, length: int) -> Tensor:
    """The gradient of `frames`: tapered frames [B, T, window] added up to samples [B, length]."""
    window = gradient.shape[2]
    tapered = gradient * taper(window).to(gradient.device)
    parts = tapered.reshape(*tapered.shape[:2], -1, hop)
    total = gradient.new_zeros(len(gradient), length)
    for i, part in enumerate(parts.unbind(2)):
        total[:, i * hop : i * hop + part.shape[1] * hop] += part.flatten(1)
    return total


class _Spectrum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, window: int, hop: int) -> Tensor:  # noqa: ANN401
        ctx.sizes = window, hop, x.shape[1]
        found: Tensor = torch.fft.rfft(frames(x, window, hop))
        return found

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        window, hop, length = ctx.sizes
        both = gradients[0] * (window / 2)
        both[..., 0] *= 2
        both[..., -1] *= 2
        return _spread(torch.fft.irfft(both, window), hop, length), None, None


class _Power(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, window: int, hop: int) -> Tensor:  # noqa: ANN401
        found = torch.fft.rfft(frames(x, window, hop))
        ctx.sizes = window, hop, x.shape[1]
        ctx.save_for_backward(found)
        squares: Tensor = found.real.square() + found.imag.square()
        return squares

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        window, hop, length = ctx.sizes
        (found,) = ctx.saved_tensors
        both = found * (gradients[0] * window)
        both[..., 0] *= 2
        both[..., -1] *= 2
        return _spread(torch.fft.irfft(both, window), hop, length), None, None


def spectrum(x: Tensor, window: int, hop: int) -> Tensor:
    """Complex spectra [B, T, window / 2 + 1]."""
    apply: Callable[..., Tensor] = _Spectrum.apply  # Not every torch has types for it.
    return apply(x, window, hop)


def power(x: Tensor, window: int, hop: int) -> Tensor:
    """Power spectra [B, T, window / 2 + 1]."""
    apply: Callable[..., Tensor] = _Power.apply  # Not every torch has types for it.
    return apply(x, window, hop)
