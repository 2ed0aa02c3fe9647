"""Sounds at any rate to chunks at 16 kHz, and back, block by block."""

from collections.abc import Iterator

import numpy as np

from ncodec.codecs.grvq_layout import FRAME, RATE, Plan, Single, Timing
from ncodec.codecs.resampling import MOST, Resampler
from ncodec.media import SoundBlocks
from ncodec.media.level import LevelMeters

JOINT_SHARE = 0.25
"""Two channels are coded as sum and difference if that has less than this part of the power."""


def make_plan(sound: SoundBlocks, nominal: int) -> Plan:
    """Read a sound once, to find its level and whether two channels are nearly one.

    The loudest channel decides on the gain, so that all keep their balance.
    """
    power, meters = np.zeros(2), LevelMeters(sound.channels)
    for block in sound.blocks(sound.sample_rate):
        clipped = block.clip(-MOST, MOST)
        if sound.channels == 2:
            sums = Plan(nominal, True, 0).mix(clipped)
            power += np.square(sums, dtype=np.float64).sum(axis=0)
        meters.add(clipped)
    joint = sound.channels == 2 and bool(power[1] <= JOINT_SHARE * power[0])
    return Plan(nominal, joint, meters.gain_db)


def coded_chunks(sound: SoundBlocks, plan: Plan) -> Iterator[Single]:
    """Float32 [C, 320 T] at 16 kHz for each chunk of T frames."""
    timing = Timing(sound.samples, sound.sample_rate)
    pieces = _resampled(sound, plan)
    kept = np.zeros((0, sound.channels), np.float32)
    left = timing.coded_samples
    for index in range(timing.chunks):
        wanted = timing.chunk_frames(index) * FRAME
        parts, have = [kept], len(kept)
        while have < min(wanted, left) and (piece := next(pieces, None)) is not None:
            parts.append(piece)
            have += len(piece)
        joined = np.concatenate(parts)
        usable = min(wanted, left)
        chunk = np.zeros((wanted, sound.channels), np.float32)
        chunk[: min(usable, have)] = joined[:usable]
        kept, left = joined[usable:], left - usable
        yield np.ascontiguousarray(chunk.T)


def _resampled(sound: SoundBlocks, plan: Plan) -> Iterator[Single]:
    resampler = Resampler(sound.sample_rate, RATE, sound.channels)
    done = 0
    for block in sound.blocks(sound.sample_rate):
        done += len(block)
        mixed = plan.mix(block.clip(-MOST, MOST))
        yield resampler.step(mixed, done == sound.samples)
