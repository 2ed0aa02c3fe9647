"""What a header of a sound of codec `walloc` says, and how its time is cut into chunks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ncodec.codecs.rate_steps import RATE_STEPS
from ncodec.codecs.sound_timing import Seconds
from ncodec.container import AudioHeader
from ncodec.errors import CorruptFileError
from ncodec.models.walloc_medium import LEVEL, SAMPLE_RATE, SOUND

Single = NDArray[np.float32]

FRAME = SOUND.stride
MIN_GAIN, MAX_GAIN = -40, 60
STEPS_AN_OFFSET = 4
"""Rate steps to one unit of the byte that a chunk starts with."""
NO_OFFSET = 128


@dataclass(frozen=True)
class Plan:
    """How a sound was coded: the number `rate` of its header.

    Samples were multiplied by `gain_db` before coding; `step` is the rate step of chunks that are
    neither loud nor quiet.
    """

    step: int
    gain_db: int

    @property
    def number(self) -> int:
        """As it stands in the header."""
        return (self.gain_db - MIN_GAIN) * RATE_STEPS + self.step

    @property
    def gain(self) -> np.float32:
        """What samples are multiplied by before they are coded."""
        return np.float32(LEVEL * 10 ** (self.gain_db / 20))

    @classmethod
    def of(cls, media: AudioHeader) -> "Plan":
        """The plan of a file. `CorruptFileError` for a number that no encoder writes."""
        gain, step = divmod(media.rate, RATE_STEPS)
        if gain > MAX_GAIN - MIN_GAIN:
            raise CorruptFileError(f"rate {media.rate} of a sound")
        return cls(step, gain + MIN_GAIN)

    def chunk_step(self, byte: int) -> int:
        """The rate step of a chunk that starts with this byte."""
        step = self.step + STEPS_AN_OFFSET * (byte - NO_OFFSET)
        return min(max(step, 0), RATE_STEPS - 1)


@dataclass(frozen=True)
class Timing(Seconds):
    """Frames and chunks of a sound."""

    @property
    def coded_samples(self) -> int:
        """Samples at 44.1 kHz."""
        return -(-self.samples * SAMPLE_RATE // self.sample_rate)

    @property
    def frames(self) -> int:
        """All frames; the last one may reach beyond the end."""
        return -(-self.coded_samples // FRAME)

    def chunk(self, index: int) -> tuple[int, int]:
        """The first frame of a chunk, and the one after its last."""
        start, stop = (second * SAMPLE_RATE // FRAME for second in (index, index + 1))
        return start, stop if index < self.chunks - 1 else self.frames


def pair_count(channels: int) -> int:
    """Pairs that channels are coded in; a last one alone makes up a pair with itself."""
    return -(-channels // 2)


def pairs_of(block: Single) -> Single:
    """Samples [n, C] -> pairs [P, 2, n]."""
    whole = np.concatenate([block, block[:, -1:]], axis=1) if block.shape[1] % 2 else block
    return np.ascontiguousarray(whole.T.reshape(-1, 2, len(block)))


def channels_of(pairs: Single, channels: int) -> Single:
    """Undo `pairs_of`: what stands for one channel twice is its mean."""
    whole = pairs.reshape(-1, pairs.shape[2])
    if channels % 2:
        last = whole[channels - 1 :].mean(0, keepdims=True)
        whole = np.concatenate([whole[: channels - 1], last])
    return np.ascontiguousarray(whole.T)
