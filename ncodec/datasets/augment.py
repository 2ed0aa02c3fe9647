"""Cheap changes to training sounds that make few voices and rooms into many. [B, N] at 16 kHz."""

import numpy as np
import torch
from torch import Tensor

COLOURED, REVERBERANT, NOISY, MIXED = 0.3, 0.08, 0.1, 0.1
"""How often each change is made."""
GAIN_DB = 4.0
WIDE, WIDE_DB = 0.15, (-30.0, 10.0)
"""How often, and between what, the gain is drawn evenly instead."""
CURVE_POINTS, CURVE_DB = 7, 4.0
NOISE_DB, MIX_DB = (10.0, 40.0), (5.0, 25.0)
"""How far below the sound."""
REVERB_SECONDS, REVERB_DB = (0.03, 0.12), (-12.0, 0.0)
RATE = 16_000


def augment(sounds: Tensor, random: np.random.Generator) -> Tensor:
    """Change some of the sounds; the same generator state gives the same changes."""
    sounds = mix(sounds, random)
    sounds = colour(sounds, random)
    sounds = reverberate(sounds, random)
    sounds = add_noise(sounds, random)
    return sounds * gains(len(sounds), random)


def gains(count: int, random: np.random.Generator) -> Tensor:
    """Gains [B, 1] around 1, now and then far from it."""
    level = random.normal(0, GAIN_DB, (count, 1))
    wide = random.random((count, 1)) < WIDE
    level = np.where(wide, random.uniform(*WIDE_DB, (count, 1)), level)
    return _factor(level)


def mix(sounds: Tensor, random: np.random.Generator) -> Tensor:
    """Put another sound of the batch, quieter, below some."""
    level = -random.uniform(*MIX_DB, (len(sounds), 1))
    return sounds + sounds.roll(1, 0) * _factor(level) * _some(sounds, MIXED, random)


def colour(sounds: Tensor, random: np.random.Generator) -> Tensor:
    """Filter some with smooth random curves, as microphones do."""
    chosen = np.flatnonzero(random.random(len(sounds)) < COLOURED)
    if not chosen.size:
        return sounds
    points = random.normal(0, CURVE_DB, (len(chosen), 1, CURVE_POINTS))
    bins = sounds.shape[1] // 2 + 1
    curves = torch.nn.functional.interpolate(
        torch.from_numpy(points).float(), bins, mode="linear", align_corners=True
    )
    index = torch.from_numpy(chosen)
    filtered = torch.fft.rfft(sounds[index]) * 10 ** (curves[:, 0] / 20)
    return sounds.index_copy(0, index, torch.fft.irfft(filtered, sounds.shape[1]))


def reverberate(sounds: Tensor, random: np.random.Generator) -> Tensor:
    """Add a short tail of decaying noise to some."""
    chosen = np.flatnonzero(random.random(len(sounds)) < REVERBERANT)
    if not chosen.size:
        return sounds
    index = torch.from_numpy(chosen)
    seconds = torch.from_numpy(random.uniform(*REVERB_SECONDS, (len(chosen), 1))).float()
    time = torch.arange(RATE // 2) / RATE
    tail = torch.randn(len(chosen), RATE // 2) * (-time / seconds).exp()
    level = _factor(random.uniform(*REVERB_DB, (len(chosen), 1)))
    tail = tail / tail.square().sum(1, keepdim=True).sqrt() * level
    size = sounds.shape[1] + RATE // 2
    wet = torch.fft.irfft(torch.fft.rfft(sounds[index], size) * torch.fft.rfft(tail, size), size)
    return sounds.index_add(0, index, wet[:, : sounds.shape[1]])


def add_noise(sounds: Tensor, random: np.random.Generator) -> Tensor:
    """Add noise, from white to brownish, to some."""
    noise = torch.randn_like(sounds)
    smooth = torch.from_numpy(random.uniform(0, 0.9, (len(sounds), 1))).float()
    noise[:, 1:] += smooth * noise[:, :-1]
    power = sounds.square().mean(1, keepdim=True).sqrt()
    level = _factor(-random.uniform(*NOISE_DB, (len(sounds), 1)))
    return sounds + noise * power * level * _some(sounds, NOISY, random)


def _some(sounds: Tensor, chance: float, random: np.random.Generator) -> Tensor:
    return torch.from_numpy(random.random((len(sounds), 1)) < chance).float()


def _factor(level: np.ndarray) -> Tensor:  # type: ignore[type-arg]
    return torch.from_numpy(10 ** (level / 20)).float()
