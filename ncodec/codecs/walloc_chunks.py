"""A second of a sound of codec `walloc` to bytes and back: latents, and levels of noise."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from ncodec.codecs.walloc_coding import Coding, Symbols, symbols_of
from ncodec.codecs.walloc_latents import LatentCoder, Read
from ncodec.codecs.walloc_layout import pair_count
from ncodec.codecs.walloc_noise import Levels, NoiseCoder, NoiseFill
from ncodec.codecs.weights import Arrays
from ncodec.entropy import Decoder, Encoder
from ncodec.errors import EntropyDesyncError


@dataclass(frozen=True)
class Chunk:
    """A decoded chunk.

    Attributes:
        latent: dequantised, [P, M, 1, t].
        step: the rate step that it was coded at.
        amplitude: of the noise in the bands of each channel, [C, BANDS, t]; None: no noise.
    """

    latent: Tensor
    step: int
    amplitude: Tensor | None = None


@dataclass(frozen=True)
class ChunkSymbols:
    """The integers of a chunk: latents of all pairs, and levels [C, GROUPS, blocks] of noise."""

    latents: Symbols
    levels: Levels


@dataclass(frozen=True)
class Coded:
    """What was encoded of a chunk."""

    codings: list[Coding]
    levels: Levels


class ChunkCoder:
    """Entropy coding of chunks with one weights file."""

    def __init__(self, latents: LatentCoder, arrays: Arrays) -> None:
        """Take tables from a weights file's arrays; raises `ModelMismatchError`."""
        self.latents, self.device = latents, latents.device
        self.levels = NoiseCoder(arrays)
        self.noise = NoiseFill(latents.model, arrays)

    def encode(self, latent: Tensor, step: int, channels: int) -> tuple[bytes, Coded]:
        """Latents [P, M, 1, t] of C channels at a rate step -> payload, and what `verify` takes."""
        found = list[Levels]()

        def write(encoder: Encoder, codings: list[Coding], decoded: Tensor) -> None:
            found.append(self.measured(latent - decoded, codings, step, channels))
            self.levels.write(encoder, found[0])

        payload, codings = self.latents.encode(latent, step, write)
        return payload, Coded(codings, found[0])

    def measured(self, error: Tensor, codings: list[Coding], step: int, channels: int) -> Levels:
        """The levels [C, GROUPS, blocks] of the noise that latents with such an error lack."""
        expected = self.noise.expected(codings, error.shape[3], step)
        return self.noise.measured(error, expected, channels)

    def verify(self, payload: bytes, written: Coded, frames: int, step: int, channels: int) -> None:
        """Decode again what was just encoded; `EntropyDesyncError` unless it is the same."""
        levels = list[Levels]()
        more = self._reading(levels, channels, frames)
        size, pairs = (1, frames), pair_count(channels)
        self.latents.verify(payload, written.codings, size, step, pairs, more)
        if not np.array_equal(levels[0], written.levels):
            raise EntropyDesyncError("the encoder's own check failed: noise decodes differently")

    def symbols(self, payload: bytes, frames: int, step: int, channels: int) -> ChunkSymbols:
        """Payload -> integers. Raises `BitstreamError`s."""
        codings, levels = self._read(payload, frames, step, channels)
        return ChunkSymbols(symbols_of(codings), levels)

    def decode(
        self, payload: bytes, frames: int, step: int, channels: int, *, fill: bool = True
    ) -> Chunk:
        """Payload -> a chunk, with noise if `fill`. Raises `BitstreamError`s."""
        codings, levels = self._read(payload, frames, step, channels)
        latent = self.latents.points(codings, 1, frames, step)
        if not (fill and levels.any()):
            return Chunk(latent, step)
        expected = self.noise.expected(codings, frames, step)
        return Chunk(latent, step, self.noise.amplitude(levels, expected))

    def empty(self, frames: int, step: int, channels: int) -> Chunk:
        """A chunk of zeros, in place of one that is lost."""
        return Chunk(self.latents.empty(1, frames, pair_count(channels)), step)

    def _read(
        self, payload: bytes, frames: int, step: int, channels: int
    ) -> tuple[list[Coding], Levels]:
        found = list[Levels]()
        more = self._reading(found, channels, frames)
        grid = self.latents.grid(1, frames)
        codings = self.latents.read(payload, grid, step, pair_count(channels), more)
        return codings, found[0]

    def _reading(self, found: list[Levels], channels: int, frames: int) -> Read:
        """What reads the levels of a chunk, and adds them to a list."""

        def read(decoder: Decoder) -> None:
            found.append(self.levels.read(decoder, channels, frames))

        return read
