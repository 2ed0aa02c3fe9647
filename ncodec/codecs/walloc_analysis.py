"""Sounds at any rate to latents of one chunk after another, in constant memory."""

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from ncodec.codecs.resampling import MOST, Resampler
from ncodec.codecs.walloc_layout import FRAME, NO_OFFSET, STEPS_AN_OFFSET, Single, Timing, pairs_of
from ncodec.media import SoundBlocks
from ncodec.media.level import LevelMeters
from ncodec.models.walloc import Walloc
from ncodec.models.walloc_medium import SAMPLE_RATE, SOUND
from ncodec.models.wavelets import reach

HALO = -(-reach(SOUND.levels) // FRAME)
"""Frames around a chunk whose samples its wavelet packets depend on."""
STEPS_A_DB = 18
"""Rate steps by which a chunk is coded finer for each dB that it is quieter: half of a dB."""
MOST_OFFSET = 75
USUAL_POWER = 400.0
"""Power of the weighted bands of a frame at the common level, roughly."""


def measured_gain(sound: SoundBlocks) -> int:
    """Read a sound once: the dB that bring it to the common level."""
    meters = LevelMeters(sound.channels)
    for block in sound.blocks(sound.sample_rate):
        meters.add(block.clip(-MOST, MOST))
    return meters.gain_db


def windows(sound: SoundBlocks, gain: np.float32) -> Iterator[tuple[Single, slice]]:
    """Samples [n, C] of each chunk and of what lies around it, and which frames are its own."""
    timing = Timing(sound.samples, sound.sample_rate)
    pieces, origin = _resampled(sound, gain), 0
    kept, ended = np.zeros((0, sound.channels), np.float32), False
    for index in range(timing.chunks if sound.samples else 0):
        start, stop = timing.chunk(index)
        first, last = max(0, start - HALO), min(stop + HALO, timing.frames)
        kept, origin = kept[first * FRAME - origin :], first * FRAME
        parts, have = [kept], len(kept)
        while not ended and have < (last - first) * FRAME:
            piece = next(pieces, None)
            ended = piece is None
            if piece is not None:
                parts.append(piece)
                have += len(piece)
        kept = np.concatenate(parts)
        window = kept[: min((last - first) * FRAME, timing.coded_samples - origin)]
        missing = (last - first) * FRAME - len(window)
        window = np.pad(window, ((0, missing), (0, 0)), mode="edge" if len(window) else "constant")
        yield window, slice(start - first, stop - first)


@torch.inference_mode()
def analysed(model: Walloc, window: Single, own: slice, device: torch.device) -> Tensor:
    """The latents [P, M, 1, t] of a chunk's own frames."""
    bands = SOUND.packets(torch.from_numpy(pairs_of(window)).to(device))
    latent: Tensor = model.analysis(bands[..., own].contiguous())
    return latent


def offset_byte(model: Walloc, latent: Tensor) -> int:
    """The byte that a chunk starts with: quiet ones are coded finer, loud ones more coarsely."""
    power = (latent * model.spread).square().sum(1).mean().item()
    decibels = 10 * math.log10(power / USUAL_POWER + 1e-12)
    units = round(-decibels * STEPS_A_DB / STEPS_AN_OFFSET)
    return NO_OFFSET + min(max(units, -MOST_OFFSET), MOST_OFFSET)


def _resampled(sound: SoundBlocks, gain: np.float32) -> Iterator[Single]:
    resampler = Resampler(sound.sample_rate, SAMPLE_RATE, sound.channels)
    done = 0
    for block in sound.blocks(sound.sample_rate):
        done += len(block)
        yield resampler.step(block.clip(-MOST, MOST) * gain, done == sound.samples)
