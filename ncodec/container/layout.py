"""What a file consists of, as `docs/format.md` names it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from string import ascii_letters
from typing import Final

MAGIC: Final = b"\x89N\r\n"
VERSION: Final = 1
MODEL_ID_BYTES: Final = 4
ONE_TILE: Final = 15
TILES: Final = tuple(64 << exponent for exponent in range(ONE_TILE))
LETTERS: Final = frozenset(ascii_letters)


class Flag(IntFlag):
    """The low nibble of the byte after the magic."""

    DIRECTORY = 1
    SOUND = 2
    GREY = 4
    BRIEF = 8


@dataclass(frozen=True)
class Limits:
    """The largest sizes that a file may claim.

    `max_header` in bytes before the first payload, `max_samples` a channel, `max_sample_rate` in
    Hz.
    """

    max_side: int = 65_535
    max_pixels: int = 2**28
    max_samples: int = 2**31
    max_channels: int = 8
    max_sample_rate: int = 768_000
    max_chunks: int = 65_536
    max_header: int = 2**20
    max_chunk_bytes: int = 2**28


class ChunkKind:
    """The kinds of chunk that this version knows; lower case means "may be ignored"."""

    LATENTS: Final = "L"
    ALPHA: Final = "A"
    ICC: Final = "i"
    EXIF: Final = "x"
    KNOWN: Final = frozenset((LATENTS, ALPHA, ICC, EXIF))
    AT_MOST_ONCE: Final = (ICC, EXIF)


@dataclass(frozen=True)
class ImageHeader:
    """What a decoder must know of a picture before it reads a payload.

    `width`, `height` in pixels; `grey`: one colour channel, not three; `tile`: side of a square
    tile in pixels, 64 times a power of two (None: one tile); `rate`: the codec's own rate step;
    `brief`: payloads are so small that checksums of 2 bytes do, and there are none but latents.
    """

    width: int
    height: int
    grey: bool
    tile: int | None
    rate: int
    brief: bool = False


@dataclass(frozen=True)
class AudioHeader:
    """What a decoder must know of a sound before it reads a payload.

    `samples` a channel, may be 0; `sample_rate` in Hz; `rate`: the codec's own rate step.
    """

    samples: int
    sample_rate: int
    channels: int
    rate: int

    @property
    def seconds(self) -> float:
        """How long the sound lasts."""
        return self.samples / self.sample_rate

    @property
    def brief(self) -> bool:
        """Payloads of a sound are small, always."""
        return True


@dataclass(frozen=True)
class Header:
    """Codec number, first 4 bytes of the model's hash, and the header of the medium."""

    codec: int
    model_id: bytes
    media: ImageHeader | AudioHeader


@dataclass(frozen=True)
class Chunk:
    """Where a payload lies: `offset` and `length` in bytes of the file.

    `crc` is the checksum that the file states: CRC-16 in brief files, else CRC-32.
    """

    kind: str
    offset: int
    length: int
    crc: int

    @property
    def end(self) -> int:
        """Offset of the first byte after the payload."""
        return self.offset + self.length

    @property
    def ignorable(self) -> bool:
        """Whether a decoder may do without this chunk."""
        return self.kind.islower()

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"chunk {self.kind!r} at byte {self.offset}"


def medium_of(start: bytes) -> str | None:
    """Tell by a file's first 5 bytes what it holds: "image", "audio", or None if not ncodec's."""
    if len(start) <= len(MAGIC) or not start.startswith(MAGIC):
        return None
    return "audio" if start[len(MAGIC)] & Flag.SOUND else "image"
