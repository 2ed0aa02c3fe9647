"""Sounds at any rate to chunks at 16 kHz, and back, block by block."""

from collections.abc import Iterator

import numpy as np
import soxr

from ncodec.codecs.grvq_gains import THRESHOLD
from ncodec.codecs.grvq_layout import FRAME, RATE, Plan, Single, Timing
from ncodec.media import SoundBlocks
from ncodec.media.level import LevelMeter

MOST = 1000.0
"""Samples beyond this are clipped: +-1 is full scale."""
JOINT_SHARE = 0.25
"""Two channels are coded as sum and difference if that has less than this part of the power."""
FILTER = 512
"""More output samples than a resampling filter sees to one side, at the lower of both rates."""


class Resampler:
    """Changes the rate of a sound of many blocks; however it is cut, the result is the same."""

    def __init__(self, rate_in: int, rate_out: int, channels: int) -> None:
        self._stream = None
        if rate_in != rate_out:
            self._stream = soxr.ResampleStream(rate_in, rate_out, channels, dtype="float32")

    def step(self, block: Single, last: bool) -> Single:
        """The next samples [n, C] -> those that are ready [m, C]; all that remain if `last`."""
        if self._stream is None:
            return block
        ready: Single = self._stream.resample_chunk(np.ascontiguousarray(block), last=last)
        return ready


def make_plan(sound: SoundBlocks, nominal: int) -> Plan:
    """Read a sound once, to find its level and whether two channels are nearly one.

    The loudest channel decides on the gain, so that all keep their balance.
    """
    power, peaks = np.zeros(2), np.zeros(sound.channels)
    meters = [LevelMeter() for _ in range(sound.channels)]
    for block in sound.blocks(sound.sample_rate):
        clipped = block.clip(-MOST, MOST)
        if sound.channels == 2:
            sums = Plan(nominal, True, 0).mix(clipped)
            power += np.square(sums, dtype=np.float64).sum(axis=0)
        peaks = np.maximum(peaks, np.abs(clipped).max(axis=0, initial=0))
        for meter, channel in zip(meters, clipped.T, strict=True):
            meter.add(channel)
    joint = sound.channels == 2 and bool(power[1] <= JOINT_SHARE * power[0])
    pairs = zip(meters, peaks > THRESHOLD, strict=True)
    gains = [meter.gain_db for meter, heard in pairs if heard]
    return Plan(nominal, joint, min(gains, default=0))


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
