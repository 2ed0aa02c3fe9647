"""Small sounds with structure: gliding tones that swell, and a little noise."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ncodec.container import Chunk, Reader
from ncodec.media import Audio

Samples = NDArray[np.float32]


def samples(count: int, channels: int = 1, rate: int = 16_000, seed: int = 0) -> Samples:
    """Float32 [T, C]; the channels have different tones."""
    random = np.random.default_rng((seed, count, channels))
    t = np.arange(count)[:, None] / rate
    tone = 150 + 60 * np.arange(channels) + 20 * seed
    glide = 2 * np.pi * tone * t + 3 * np.sin(5 * t)
    swell = 0.15 + 0.1 * np.sin(7 * t + np.arange(channels))
    voices = sum(np.sin(harmonic * glide) / harmonic for harmonic in range(1, 6))
    array: Samples = (voices * swell + random.normal(0, 0.003, (count, channels))).astype(
        np.float32
    )
    return array


def sound(count: int, channels: int = 1, rate: int = 16_000, seed: int = 0) -> Audio:
    """The same as an `Audio`."""
    return Audio(samples(count, channels, rate, seed), rate)


class LongSound:
    """A sound that nobody holds in memory: one second over and over."""

    def __init__(self, seconds: int, rate: int = 16_000) -> None:
        self.sample_rate, self.channels, self.samples = rate, 1, seconds * rate
        self.given = 0
        self._second = samples(rate, 1, rate)

    def blocks(self, count: int) -> Iterator[Samples]:
        """Seconds, whatever `count` is; `given` counts them."""
        for _ in range(self.samples // self.sample_rate):
            self.given += 1
            yield self._second


class CountingReader(Reader):
    """A reader that notes how often each chunk was read."""

    def __init__(self, data: bytes, partial: bool = False) -> None:
        super().__init__(data, partial=partial)
        self.reads: Counter[int] = Counter()

    def read(self, chunk: Chunk) -> bytes:
        self.reads[self.chunks.index(chunk)] += 1
        return super().read(chunk)
