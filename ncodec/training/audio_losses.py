"""What the sound decoder is trained to get right, all differentiable, all in float32.

Sounds are [B, N] at 16 kHz.
"""

import math
from functools import cache

import torch
from torch import Tensor

from ncodec.models.grvq import SAMPLE_RATE
from ncodec.models.spectra import HOP, WINDOW, compress
from ncodec.training.spectrograms import power, spectrum

MEL_WINDOWS = {128: 12, 256: 24, 512: 48, 1024: 80, 2048: 96}
"""Samples of a window: mel bands over it."""
LOG_FLOOR = 1e-3
ENVELOPE_WINDOW, ENVELOPE_HOP = 400, 200
SEGMENT, SEGMENT_STEP = 30, 5
"""Frames in which envelopes are correlated: 375 ms, as in STOI."""
STILL = 1e-5
"""Squared movement of an envelope that is nothing to correlate with."""
THIRD_OCTAVES, LOWEST_OCTAVE = 15, 150.0
LOUD_WINDOW, LOUD_HOP, LOUD_BANDS = 512, 256, 48
LOUD_LEVEL = 79.0
"""dB above a power of 1 that speech is played at."""
LOUD_EXPONENT = 0.23
LOUD_SCALE = 0.187
MASKED = 0.25
"""Differences below this part of the weaker loudness are not heard."""
SYMMETRIC, ADDED = 0.1, 0.0309
WORST = 4.0
"""Points that a frame can lose."""


@cache
def mel_bands(window: int, bands: int) -> Tensor:
    """Triangular bands equally wide in mel: [window / 2 + 1, bands], each of sum 1."""
    top = 2595 * math.log10(1 + SAMPLE_RATE / 2 / 700)
    edges = 700 * (10 ** (torch.linspace(0, top, bands + 2) / 2595) - 1)
    bins = torch.linspace(0, SAMPLE_RATE / 2, window // 2 + 1)[:, None]
    width = SAMPLE_RATE / window
    left = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2]).clamp_min(width)
    right = (edges[2:] - bins) / (edges[2:] - edges[1:-1]).clamp_min(width)
    weights = torch.minimum(left, right).clamp_min(0)
    return weights / weights.sum(0).clamp_min(1e-9)


def mel_loss(made: Tensor, wanted: Tensor) -> Tensor:
    """Mean distance of log10 mel magnitudes over all windows, a scalar."""
    losses = []
    for window, bands in MEL_WINDOWS.items():
        weights = mel_bands(window, bands).to(made.device)
        pair = []
        for x in (made, wanted):
            bands_of = power(x, window, window // 4) @ weights
            pair.append((bands_of + LOG_FLOOR**2).log10())
        losses.append(0.5 * (pair[0] - pair[1]).abs().mean())
    return torch.stack(losses).sum()


def spectrum_loss(made: Tensor, wanted: Tensor) -> Tensor:
    """Mean squared distance of compressed complex spectra: what makes the decoder know phase."""
    (real, imaginary, _), (real_wanted, imaginary_wanted, _) = (
        compress(spectrum(x, WINDOW, HOP)) for x in (made, wanted)
    )
    misses = (real - real_wanted).square() + (imaginary - imaginary_wanted).square()
    return 0.5 * misses.mean()


def envelopes(x: Tensor) -> Tensor:
    """Magnitudes in third-octave bands over time [B, bands, T]."""
    bands = power(x, ENVELOPE_WINDOW, ENVELOPE_HOP) @ third_octaves().to(x.device)
    return (bands + 1e-6).sqrt().transpose(1, 2)


@cache
def third_octaves() -> Tensor:
    """Which bins belong to which band: [ENVELOPE_WINDOW / 2 + 1, THIRD_OCTAVES]."""
    centres = LOWEST_OCTAVE * 2 ** (torch.arange(THIRD_OCTAVES) / 3)
    bins = torch.linspace(0, SAMPLE_RATE / 2, ENVELOPE_WINDOW // 2 + 1)[:, None]
    edge = 2 ** (1 / 6)
    return ((bins >= centres / edge) & (bins < centres * edge)).float()


def envelope_loss(made: Tensor, wanted: Tensor) -> Tensor:
    """One minus the mean correlation of third-octave envelopes over short segments.

    After Taal et al., "An Algorithm for Intelligibility Prediction of Time-Frequency Weighted Noisy
    Speech" (2011), without its clipping. Segments 40 dB below the loudest do not count, nor still
    bands.
    """
    pair = [envelopes(x).unfold(2, SEGMENT, SEGMENT_STEP) for x in (made, wanted)]
    energy = pair[1].square().sum((1, 3))
    loud = (energy > 1e-4 * energy.amax(1, keepdim=True))[:, None]
    a, b = (x - x.mean(3, keepdim=True) for x in pair)
    strength = b.square().sum(3)
    heard = (loud & (strength > STILL)).float()
    similar = (a * b).sum(3) / (a.square().sum(3) * strength + STILL**2).sqrt()
    return 1 - (similar * heard).sum() / heard.sum().clamp_min(1)


@cache
def bark_bands() -> tuple[Tensor, Tensor, float]:
    """Bands equally wide in Bark: weights [bins, bands], hearing thresholds [bands], Bark a band.

    Bark after Traunmueller (1990), the threshold after Terhardt (1979).
    """
    bins = torch.linspace(0, SAMPLE_RATE / 2, LOUD_WINDOW // 2 + 1)
    bark = 26.81 * bins / (1960 + bins) - 0.53
    low, high = float(bark[2]), float(bark[-1])
    width = (high - low) / LOUD_BANDS
    centres = low + width * (torch.arange(LOUD_BANDS) + 0.5)
    weights = (1 - (bark[:, None] - centres).abs() / width).clamp_min(0)
    khz = 1.96 * (centres + 0.53) / (26.28 - centres)
    quiet = 3.64 * khz**-0.8 - 6.5 * (-0.6 * (khz - 3.3) ** 2).exp() + 1e-3 * khz**4
    return weights, 10 ** (quiet / 10), width


def loudness_loss(made: Tensor, wanted: Tensor) -> Tensor:
    """How much differences of loudness would lower a listener's opinion, in points, a scalar.

    After the disturbances of PESQ (ITU-T P.862) without its alignments, averaged over frames:
    loudness differences beyond what masking hides, and again those where something was added.
    """
    weights, quiet, width = bark_bands()
    weights, quiet = weights.to(made.device), quiet.to(made.device)
    powers = [power(x, LOUD_WINDOW, LOUD_HOP) @ weights for x in (made, wanted)]
    usual = powers[1].sum(2).mean(1)[:, None, None].clamp_min(1e-2)
    powers = [p * (10 ** (LOUD_LEVEL / 10) / usual) for p in powers]
    loud = [_loudness(p, quiet) for p in powers]
    beyond = (loud[0] - loud[1]).abs() - MASKED * torch.minimum(loud[0], loud[1])
    beyond = beyond.clamp_min(0)
    with torch.no_grad():
        added = ((powers[0] + 50) / (powers[1] + 50)).pow(1.2).clamp(max=12)
        added = added * (added > 3)
    even = (beyond.square().mean(2) + 1e-4).sqrt() * (width * LOUD_BANDS)
    more = (beyond * added).sum(2) * width
    lost = SYMMETRIC * even + ADDED * more
    return (lost * WORST / (lost + WORST)).mean()


def _loudness(power: Tensor, quiet: Tensor) -> Tensor:
    """Loudness of bands after Zwicker: powers [B, T, bands] over thresholds [bands]."""
    above = (0.5 + 0.5 * power / quiet).pow(LOUD_EXPONENT) - 1
    return LOUD_SCALE * (2 * quiet).pow(LOUD_EXPONENT) * above
