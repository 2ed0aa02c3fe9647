"""A second of a sound of codec `walloc` to bytes and back: latents, and levels of noise."""

from dataclasses import dataclass

from torch import Tensor

from ncodec.codecs.walloc_latents import Coding, LatentCoder, Read, Symbols, symbols_of
from ncodec.codecs.walloc_layout import pair_count
from ncodec.codecs.walloc_noise import Levels, NoiseCoder, NoiseFill
from ncodec.codecs.weights import Arrays
from ncodec.entropy import Decoder, Encoder


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


class ChunkCoder:
    """Entropy coding of chunks with one weights file."""

    def __init__(self, latents: LatentCoder, arrays: Arrays) -> None:
        """Take tables from a weights file's arrays; raises `ModelMismatchError`."""
        self.latents, self.device = latents, latents.device
        self.levels = NoiseCoder(arrays)
        self.noise = NoiseFill(latents.model, arrays)

    def encode(self, latent: Tensor, step: int, channels: int) -> tuple[bytes, list[Coding]]:
        """Latents [P, M, 1, t] of C channels at a rate step -> payload, and what `verify` takes."""

        def levels(encoder: Encoder, codings: list[Coding]) -> None:
            self.levels.write(encoder, self.measured(latent, codings, step, channels))

        return self.latents.encode(latent, step, levels)

    def measured(self, latent: Tensor, codings: list[Coding], step: int, channels: int) -> Levels:
        """The levels [C, GROUPS, blocks] of the noise that coded latents lack."""
        frames = latent.shape[3]
        error = latent - self.latents.points(codings, 1, frames, step)
        expected = self.noise.expected(codings, frames, step)
        return self.noise.measured(error, expected, channels)

    def verify(
        self, payload: bytes, written: list[Coding], frames: int, step: int, channels: int
    ) -> None:
        """Decode again what was just encoded; `EntropyDesyncError` unless it is the same."""
        pairs, size = pair_count(channels), (1, frames)
        more = self._reading([], channels, frames)
        self.latents.verify(payload, written, size, step, pairs, more)

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
