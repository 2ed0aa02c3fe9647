"""What a header of codec `grvq` says, and how a sound's time is cut into frames and chunks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ncodec.codecs.grvq_counts import VARIED
from ncodec.codecs.sound_timing import Seconds
from ncodec.container import AudioHeader
from ncodec.errors import CorruptFileError

Single = NDArray[np.float32]
"""Samples, latents, errors: all that is no whole number."""

RATE = 16_000
FRAME = 320
BLOCK = 640
CHUNK_FRAMES = 50
CHUNK = CHUNK_FRAMES * FRAME
DELAY = 800
"""Samples by which the networks' output lags behind their input."""
MIN_GAIN, MAX_GAIN = -40, 60
MEANING: tuple[str, ...] = ()
"""Float weights that the model id covers: none, a better decoder may decode old files."""


@dataclass(frozen=True)
class Plan:
    """How a file was coded: the number `rate` of its header.

    `nominal` is the count of codebooks that all frames have, or `VARIED`; `joint`: of two
    channels half the sum and half the difference are coded; `gain_db` was applied before coding.
    """

    nominal: int
    joint: bool
    gain_db: int

    @property
    def number(self) -> int:
        """As it stands in the header."""
        return ((self.gain_db - MIN_GAIN) * 2 + self.joint) * (VARIED + 1) + self.nominal

    @property
    def gain(self) -> np.float32:
        """What samples are multiplied by before they are coded."""
        return np.float32(10 ** (self.gain_db / 20))

    @classmethod
    def of(cls, media: AudioHeader) -> "Plan":
        """The plan of a file. `CorruptFileError` for a number that no encoder writes."""
        rest, nominal = divmod(media.rate, VARIED + 1)
        gain, joint = divmod(rest, 2)
        if gain > MAX_GAIN - MIN_GAIN or (joint and media.channels != 2):
            raise CorruptFileError(f"rate {media.rate} of a sound with {media.channels} channels")
        return cls(nominal, bool(joint), gain + MIN_GAIN)

    def mix(self, block: Single) -> Single:
        """Samples [n, C] -> what is coded, [n, C]."""
        if not self.joint:
            return block * self.gain
        left, right = block[:, 0], block[:, 1]
        mixed: Single = np.stack([left + right, left - right], axis=1)
        return mixed * (self.gain / 2)

    def unmix(self, block: Single) -> Single:
        """Undo `mix`."""
        if self.joint:
            middle, side = block[:, 0], block[:, 1]
            block = np.stack([middle + side, middle - side], axis=1)
        return block / self.gain


@dataclass(frozen=True)
class Timing(Seconds):
    """Frames and chunks of a sound."""

    @property
    def coded_samples(self) -> int:
        """Samples at 16 kHz."""
        return -(-self.samples * RATE // self.sample_rate)

    @property
    def frames(self) -> int:
        """All frames: whole blocks that reach beyond the end by the networks' delay."""
        if not self.samples:
            return 0
        return -(-(self.coded_samples + DELAY) // BLOCK) * (BLOCK // FRAME)

    def chunk_frames(self, index: int) -> int:
        """Frames of one chunk: 50, but the last one has all that remain (up to 54)."""
        if index < self.chunks - 1:
            return CHUNK_FRAMES
        return self.frames - CHUNK_FRAMES * (self.chunks - 1)
