"""Short-time spectra of causal streams: what the sound encoder sees and the decoder makes."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WINDOW, HOP = 640, 160
BINS = WINDOW // 2 + 1
OVERLAP = WINDOW - HOP
POWER = 0.3
LEVEL = 20.0
"""Makes speech at -26 dBFS about 1 in the spectrum."""
FLOOR = 1e-5
MAX_LOG_MAGNITUDE = 5.5
"""Just above a full-scale sine: no code makes the decoder louder than that."""


def _window() -> Tensor:
    return torch.hann_window(WINDOW, periodic=True)


def compress(spectrum: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Complex [..., F] -> real parts, imaginary parts and magnitudes, raised to POWER, [..., F]."""
    real, imaginary = spectrum.real, spectrum.imag
    power = real.square() + imaginary.square() + FLOOR
    magnitude = power.pow(POWER / 2)
    scale = magnitude * power.rsqrt()
    return real * scale, imaginary * scale, magnitude


class Analysis(nn.Module):
    """Samples to spectra: frame k sees the WINDOW samples that end with hop k."""

    window: Tensor

    def __init__(self) -> None:
        super().__init__()
        window = _window()
        scaled = window * (LEVEL / window.square().sum().sqrt())
        self.register_buffer("window", scaled, persistent=False)

    def initial_state(self, batch: int) -> Tensor:
        """The samples before the start: silence [B, OVERLAP]."""
        return self.window.new_zeros(batch, OVERLAP)

    def forward(self, samples: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """Samples [B, 160 T] and the state -> complex [B, T, BINS] and the next state."""
        joined = torch.cat((past, samples), 1)
        frames = joined.unfold(1, WINDOW, HOP) * self.window
        return torch.fft.rfft(frames), joined[:, -OVERLAP:]


class Synthesis(nn.Module):
    """Spectra to samples by overlap-add; a frame's samples are done three frames later."""

    window: Tensor

    def __init__(self) -> None:
        super().__init__()
        window = _window()
        # The squares of four shifted Hann windows sum to 1.5.
        scaled = window * (window.square().sum().sqrt() / (1.5 * LEVEL))
        self.register_buffer("window", scaled, persistent=False)

    def initial_state(self, batch: int) -> Tensor:
        """What earlier frames add to the next samples: nothing [B, OVERLAP]."""
        return self.window.new_zeros(batch, OVERLAP)

    def forward(self, spectrum: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """Complex [B, T, BINS] and the state -> samples [B, 160 T] and the next state."""
        frames = torch.fft.irfft(spectrum, WINDOW) * self.window
        parts = frames.reshape(len(frames), -1, WINDOW // HOP, HOP).unbind(2)
        length = spectrum.shape[1] * HOP
        total = F.pad(past, (0, length))
        for i, part in enumerate(parts):
            total = total + F.pad(part.flatten(1), (i * HOP, OVERLAP - i * HOP))
        return total[:, :length], total[:, length:]
