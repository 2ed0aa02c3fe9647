"""Bytes -> header and chunks."""

from __future__ import annotations

from itertools import accumulate
from typing import BinaryIO, Final

from ncodec.container.fields import (
    HEADER_SUM_BYTES,
    Cursor,
    Source,
    check_limit,
    payload_sum,
    payload_sum_bytes,
    unzigzag,
)
from ncodec.container.layout import (
    LETTERS,
    MAGIC,
    MODEL_ID_BYTES,
    ONE_TILE,
    TILES,
    VERSION,
    AudioHeader,
    Chunk,
    ChunkKind,
    Flag,
    Header,
    ImageHeader,
    Limits,
)
from ncodec.errors import (
    CorruptFileError,
    NotNcodecFileError,
    TruncatedError,
    UnsupportedFeatureError,
    UnsupportedVersionError,
)

# Line ends converted, top bits cleared, or the first byte put through a text encoding.
_MANGLED = (b"\x89N\n", b"\x89N\r\r", b"\tN\r\n", b"\xc2\x89N", b"\xe2\x80\xb0N", b"\xef\xbf\xbdN")
_OTHER_FILES = {
    (0, b"\x89PNG"): "a PNG picture",
    (0, b"\xff\xd8\xff"): "a JPEG picture",
    (8, b"WEBP"): "a WebP picture",
    (4, b"ftyp"): "an AVIF, HEIC or MP4 file",
    (8, b"WAVE"): "a WAV sound",
    (0, b"fLaC"): "a FLAC sound",
    (0, b"OggS"): "an Ogg sound",
    (0, b"ID3"): "an MP3 sound",
}


class Reader:
    """An open file: `header`, `chunks` in file order and `size` in bytes; payloads on request."""

    def __init__(
        self, source: bytes | BinaryIO, limits: Limits | None = None, partial: bool = False
    ) -> None:
        """Read the header of `source`: bytes, or a seekable binary file, which stays open.

        `partial=True` also opens a file that ends early or too late; `read` tells which chunks
        are gone. Raises any `BitstreamError` but `EntropyDesyncError`, and `InputError` if
        `source` is something else, cannot seek or fails to read.
        """
        limits = limits or Limits()
        self._source = Source(source)
        self.size: Final = self._source.size
        _check_magic(self._source)
        cursor = Cursor(self._source, limits.max_header)
        flags = _read_flags(cursor)
        self.header: Final = _read_header(cursor, flags)
        self._brief = self.header.media.brief
        listed = _read_directory(cursor, flags, limits) if Flag.DIRECTORY in flags else None
        cursor.check_sum()
        _check_media(self.header.media, limits)
        self.chunks: Final = self._implied(cursor.position) if listed is None else listed
        _check_chunks(self.chunks, limits)
        if not partial:
            end = self.chunks[-1].end
            self._check_end(max(end, self.size) if listed is None else end)

    @property
    def picture(self) -> ImageHeader:
        """The header of a picture; `CorruptFileError` if the file holds a sound."""
        if not isinstance(self.header.media, ImageHeader):
            raise CorruptFileError("the file holds a sound where a picture belongs; get it again")
        return self.header.media

    @property
    def sound(self) -> AudioHeader:
        """The header of a sound; `CorruptFileError` if the file holds a picture."""
        if not isinstance(self.header.media, AudioHeader):
            raise CorruptFileError("the file holds a picture where a sound belongs; get it again")
        return self.header.media

    def read(self, chunk: Chunk) -> bytes:
        """The payload of `chunk`, checked against its checksum.

        Raises `TruncatedError` if the file ends first, `CorruptFileError` if it is damaged.
        """
        if chunk.end > self.size:
            hint = f"the file ends at byte {self.size}; get all of it again"
            raise TruncatedError(f"{chunk.name} should end at byte {chunk.end}, {hint}")
        payload = self._source.read_at(chunk.offset, chunk.length)
        if payload_sum(self._brief, payload) != chunk.crc:
            kind = "CRC-16" if self._brief else "CRC-32"
            raise CorruptFileError(f"{chunk.name} is damaged ({kind}); get the file again")
        return payload

    def of_kind(self, kind: str) -> tuple[Chunk, ...]:
        """The chunks of one kind, in file order."""
        return tuple(chunk for chunk in self.chunks if chunk.kind == kind)

    def _implied(self, offset: int) -> tuple[Chunk, ...]:
        size = payload_sum_bytes(self._brief)
        end = self.size - size
        if end < offset:  # Not even the CRC is whole: a chunk that `read` finds incomplete.
            return (Chunk(ChunkKind.LATENTS, offset, size, 0),)
        crc = int.from_bytes(self._source.read_at(end, size), "little")
        return (Chunk(ChunkKind.LATENTS, offset, end - offset, crc),)

    def _check_end(self, end: int) -> None:
        if end != self.size:
            error = TruncatedError if end > self.size else CorruptFileError
            hint = "get it again, or decode what is intact (partial)"
            raise error(f"the file has {self.size} bytes, its chunks end at byte {end}; {hint}")


def _check_magic(source: Source) -> None:
    start = source.read_at(0, min(12, source.size))
    if len(start) < len(MAGIC) and MAGIC.startswith(start):
        raise TruncatedError(f"the file has only {len(start)} bytes; get the whole file again")
    if not start.startswith(MAGIC):
        raise NotNcodecFileError(f"not an ncodec file: {_what_else(start)}")


def _what_else(start: bytes) -> str:
    if start.startswith(_MANGLED):
        return "it seems to have been copied as text; copy the original again, in binary mode"
    for (offset, signature), name in _OTHER_FILES.items():
        if start[offset:].startswith(signature):
            return f"it looks like {name}; to compress it, use encode"
    return f"it starts with {start[:4].hex(' ')} instead of {MAGIC.hex(' ')}"


def _read_flags(cursor: Cursor) -> Flag:
    cursor.take(len(MAGIC))
    version, flags = divmod(cursor.number(1), 16)
    if version > VERSION:
        raise UnsupportedVersionError(
            f"format version {version} is newer than {VERSION}; update it"
        )
    if version < 1:
        raise CorruptFileError("the file has format version 0, which never was; get it again")
    if flags & Flag.SOUND and flags & (Flag.GREY | Flag.BRIEF):
        raise UnsupportedFeatureError(f"the file has unknown flags ({flags:04b}b); update ncodec")
    return Flag(flags)


def _read_header(cursor: Cursor, flags: Flag) -> Header:
    codec, model_id = cursor.varint(), cursor.take(MODEL_ID_BYTES)
    read = _read_sound if Flag.SOUND in flags else _read_picture
    return Header(codec, model_id, read(cursor, flags))


def _read_picture(cursor: Cursor, flags: Flag) -> ImageHeader:
    width, height, rate = cursor.varint(), cursor.varint(), cursor.varint()
    exponent = cursor.number(1) if Flag.DIRECTORY in flags else ONE_TILE
    tile = None if exponent == ONE_TILE else 64 << exponent
    return ImageHeader(width, height, Flag.GREY in flags, tile, rate, Flag.BRIEF in flags)


def _read_sound(cursor: Cursor, _: Flag) -> AudioHeader:
    samples, sample_rate = cursor.varint(), cursor.varint()
    return AudioHeader(samples, sample_rate, channels=cursor.varint(), rate=cursor.varint())


def _read_directory(cursor: Cursor, flags: Flag, limits: Limits) -> tuple[Chunk, ...]:
    count = cursor.varint()
    check_limit("chunks", count, "max_chunks", limits.max_chunks)
    read = _read_lengths if flags & (Flag.SOUND | Flag.BRIEF) else _read_entries
    table = read(cursor, count)
    first = cursor.position + HEADER_SUM_BYTES
    offsets = accumulate((length for _, length, _ in table), initial=first)
    return tuple(Chunk(k, at, n, crc) for (k, n, crc), at in zip(table, offsets, strict=False))


def _read_entries(cursor: Cursor, count: int) -> list[tuple[str, int, int]]:
    """Kind, length and checksum of the chunks of a file that is not brief."""
    return [(chr(cursor.number(1)), cursor.varint(), cursor.number(4)) for _ in range(count)]


def _read_lengths(cursor: Cursor, count: int) -> list[tuple[str, int, int]]:
    """Kind, length and checksum of a brief file's chunks: lengths are differences."""
    table, length = [], 0
    for _ in range(count):
        length += unzigzag(cursor.varint())
        table.append((ChunkKind.LATENTS, length, cursor.number(2)))
    return table


def _check_media(media: ImageHeader | AudioHeader, limits: Limits) -> None:
    if isinstance(media, ImageHeader):
        _check_picture(media, limits)
    else:
        _check_sound(media, limits)


def _check_picture(media: ImageHeader, limits: Limits) -> None:
    pixels = media.width * media.height
    if pixels == 0:
        raise CorruptFileError("the picture has no pixels; get the file again")
    check_limit("pixels a side", max(media.width, media.height), "max_side", limits.max_side)
    check_limit("pixels", pixels, "max_pixels", limits.max_pixels)
    if media.tile is not None and media.tile not in TILES:
        raise UnsupportedFeatureError("the file has an unknown layout of tiles; update ncodec")


def _check_sound(media: AudioHeader, limits: Limits) -> None:
    if media.sample_rate == 0 or media.channels == 0:
        raise CorruptFileError("the sound has no channels or no sample rate; get the file again")
    check_limit("samples", media.samples, "max_samples", limits.max_samples)
    check_limit("samples a second", media.sample_rate, "max_sample_rate", limits.max_sample_rate)
    check_limit("channels", media.channels, "max_channels", limits.max_channels)


def _check_chunks(chunks: tuple[Chunk, ...], limits: Limits) -> None:
    if not chunks:
        raise CorruptFileError("the file has no chunks; get it again")
    for chunk in chunks:
        _check_chunk(chunk, limits)
    for kind in ChunkKind.AT_MOST_ONCE:
        if sum(chunk.kind == kind for chunk in chunks) > 1:
            raise CorruptFileError(f"the file has several chunks {kind!r}; get it again")


def _check_chunk(chunk: Chunk, limits: Limits) -> None:
    if chunk.kind not in LETTERS:
        raise CorruptFileError(f"{chunk.name} has a kind that is not a letter")
    if not chunk.ignorable and chunk.kind not in ChunkKind.KNOWN:
        raise UnsupportedFeatureError(f"{chunk.name} is of an unknown kind; update ncodec")
    if chunk.length < 0:
        raise CorruptFileError(f"{chunk.name} has a negative length; get the file again")
    check_limit("bytes in a chunk", chunk.length, "max_chunk_bytes", limits.max_chunk_bytes)
