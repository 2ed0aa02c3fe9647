"""The file format: header, directory of chunks, checksums, limits.

`docs/format.md` is the specification, this module its implementation; it knows no codec. Whatever
the bytes, `Reader` raises nothing but a `BitstreamError` (or an `InputError` when its source cannot
be read), and allocates nothing from a claimed size before that was held against the limits and
the length of the file.
"""

from __future__ import annotations

import io
import zlib
from binascii import crc_hqx
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from string import ascii_letters
from typing import BinaryIO, Final

from ncodec.errors import (
    BitstreamError,
    CorruptFileError,
    InputError,
    LimitExceededError,
    NotNcodecFileError,
    TruncatedError,
    UnsupportedFeatureError,
    UnsupportedVersionError,
)

MAGIC: Final = b"\x89N\r\n"
VERSION: Final = 1

_DIRECTORY, _GREY = 1, 4
_VARINT_BYTES = 5
_VARINT_MAX = 2 ** (7 * _VARINT_BYTES) - 1
_MODEL_ID_BYTES = 4
_ONE_TILE = 15
_TILES = tuple(64 << exponent for exponent in range(_ONE_TILE))
_CRC_BYTES, _HEADER_SUM_BYTES = 4, 2
_BLOCK = 4096
_LETTERS = frozenset(ascii_letters)

# Line ends converted, top bits cleared, or the first byte put through a text encoding.
_MANGLED = (b"\x89N\n", b"\x89N\r\r", b"\tN\r\n", b"\xc2\x89N", b"\xe2\x80\xb0N", b"\xef\xbf\xbdN")
_OTHER_FILES = {
    (0, b"\x89PNG"): "a PNG picture",
    (0, b"\xff\xd8\xff"): "a JPEG picture",
    (8, b"WEBP"): "a WebP picture",
    (4, b"ftyp"): "an AVIF, HEIC or MP4 file",
    (8, b"WAVE"): "a WAV sound",
    (0, b"fLaC"): "a FLAC sound",
}


@dataclass(frozen=True)
class Limits:
    """The largest sizes that a file may claim; `max_header` in bytes before the first payload."""

    max_side: int = 65_535
    max_pixels: int = 2**28
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
    tile in pixels, 64 times a power of two (None: one tile); `rate`: the codec's own rate step.
    """

    width: int
    height: int
    grey: bool
    tile: int | None
    rate: int


@dataclass(frozen=True)
class Header:
    """Codec number, first 4 bytes of the model's hash, and the header of the medium."""

    codec: int
    model_id: bytes
    media: ImageHeader


@dataclass(frozen=True)
class Chunk:
    """Where a payload lies: `offset` and `length` in bytes of the file, `crc` its CRC-32."""

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
        self._source = _Source(source)
        self.size: Final = self._source.size
        _check_magic(self._source)
        cursor = _Cursor(self._source, limits.max_header)
        flags = _read_flags(cursor)
        self.header: Final = _read_header(cursor, flags)
        listed = _read_directory(cursor, limits) if flags & _DIRECTORY else None
        cursor.check_sum()
        _check_picture(self.header.media, limits)
        self.chunks: Final = self._implied(cursor.position) if listed is None else listed
        _check_chunks(self.chunks, limits)
        if not partial:
            end = self.chunks[-1].end
            self._check_end(max(end, self.size) if listed is None else end)

    def read(self, chunk: Chunk) -> bytes:
        """The payload of `chunk`, checked against its CRC-32.

        Raises `TruncatedError` if the file ends first, `CorruptFileError` if it is damaged.
        """
        if chunk.end > self.size:
            hint = f"the file ends at byte {self.size}; get all of it again"
            raise TruncatedError(f"{_name(chunk)} should end at byte {chunk.end}, {hint}")
        payload = self._source.read_at(chunk.offset, chunk.length)
        if zlib.crc32(payload) != chunk.crc:
            raise CorruptFileError(f"{_name(chunk)} is damaged (CRC-32); get the file again")
        return payload

    def of_kind(self, kind: str) -> tuple[Chunk, ...]:
        """The chunks of one kind, in file order."""
        return tuple(chunk for chunk in self.chunks if chunk.kind == kind)

    def _implied(self, offset: int) -> tuple[Chunk, ...]:
        end = self.size - _CRC_BYTES
        if end < offset:  # Not even the CRC is whole: a chunk that `read` finds incomplete.
            return (Chunk(ChunkKind.LATENTS, offset, _CRC_BYTES, 0),)
        crc = int.from_bytes(self._source.read_at(end, _CRC_BYTES), "little")
        return (Chunk(ChunkKind.LATENTS, offset, end - offset, crc),)

    def _check_end(self, end: int) -> None:
        if end != self.size:
            error = TruncatedError if end > self.size else CorruptFileError
            hint = "get it again, or decode what is intact (partial)"
            raise error(f"the file has {self.size} bytes, its chunks end at byte {end}; {hint}")


def pack(header: Header, chunks: Sequence[tuple[str, bytes]]) -> bytes:
    """Write a file: `chunks` are (kind, payload) pairs, kept in their order.

    A single "L" chunk of a picture that is one tile takes the short form without a directory.
    A tile that covers the whole picture is written as one tile, so it reads back as None.

    Raises `InputError` for values that the format cannot express or `Reader` would refuse.
    """
    _check_arguments(header, chunks)
    media = header.media
    one_tile = media.tile is None or media.tile >= max(media.width, media.height)
    short = one_tile and [kind for kind, _ in chunks] == [ChunkKind.LATENTS]
    head = _pack_header(header, directory=not short)
    if not short:
        head += bytes([_ONE_TILE if one_tile else _TILES.index(media.tile)])
        head += _pack_directory(chunks)
    tail = _crc(chunks[0][1]) if short else b""
    blob = b"".join([head, _header_sum(head), *(payload for _, payload in chunks), tail])
    try:
        Reader(blob, Limits(max_pixels=Limits.max_side**2))
    except BitstreamError as error:
        raise InputError(f"no decoder would read this back: {error}") from error
    return blob


class _Source:
    """Random access to bytes or to a binary file, however little a single read returns."""

    def __init__(self, source: bytes | BinaryIO) -> None:
        self._file = io.BytesIO(source) if isinstance(source, bytes) else source
        try:
            self._file.seek(0, io.SEEK_END)
            self.size = self._file.tell()
        except (AttributeError, OSError, ValueError) as error:
            hint = "pass an open binary file or bytes (those of a pipe once it is at its end)"
            raise InputError(f"cannot seek in the source ({error}); {hint}") from error

    def read_at(self, offset: int, length: int) -> bytes:
        pieces = []
        try:
            self._file.seek(offset)
            while length > 0 and (piece := self._file.read(length)):
                pieces.append(piece)
                length -= len(piece)
            if length > 0:
                raise TruncatedError("the file became shorter while it was read; try again")
            return b"".join(pieces)
        except (AttributeError, OSError, TypeError, ValueError) as error:  # TypeError: text
            raise InputError(f"cannot read at byte {offset}: {error}; open it as 'rb'") from error


class _Cursor:
    """Takes the header apart field by field, fetching blocks up to the limit or end of file."""

    def __init__(self, source: _Source, limit: int) -> None:
        self._source, self._limit = source, limit
        self._data, self.position = bytearray(), 0

    def take(self, count: int) -> bytes:
        start, self.position = self.position, self.position + count
        if self.position > len(self._data):
            self._fetch(self.position)
        return bytes(self._data[start : self.position])

    def check_sum(self) -> None:
        if _header_sum(self._data[: self.position]) != self.take(_HEADER_SUM_BYTES):
            raise CorruptFileError("the header is damaged (CRC-16); get the file again")

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def varint(self) -> int:
        value = 0
        for shift in range(0, 7 * _VARINT_BYTES, 7):
            byte = self.number(1)
            value |= (byte & 0x7F) << shift
            if byte == 0 and shift:
                break
            if byte < 0x80:
                return value
        raise CorruptFileError(f"the number before byte {self.position} is malformed; get it again")

    def _fetch(self, end: int) -> None:
        _check_limit("bytes of header", end, "max_header", self._limit)
        size = self._source.size
        if end > size:
            raise TruncatedError(f"the file ends at byte {size}, in its header; get it again")
        have = len(self._data)
        stop = min(max(end, have + _BLOCK), self._limit, size)
        self._data += self._source.read_at(have, stop - have)


def _check_magic(source: _Source) -> None:
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


def _read_flags(cursor: _Cursor) -> int:
    cursor.take(len(MAGIC))
    version, flags = divmod(cursor.number(1), 16)
    if version > VERSION:
        raise UnsupportedVersionError(
            f"format version {version} is newer than {VERSION}; update it"
        )
    if version < 1:
        raise CorruptFileError("the file has format version 0, which never was; get it again")
    if flags & ~(_DIRECTORY | _GREY):
        raise UnsupportedFeatureError(f"the file has unknown flags ({flags:04b}b); update ncodec")
    return flags


def _read_header(cursor: _Cursor, flags: int) -> Header:
    codec, model_id = cursor.varint(), cursor.take(_MODEL_ID_BYTES)
    width, height, rate = cursor.varint(), cursor.varint(), cursor.varint()
    exponent = cursor.number(1) if flags & _DIRECTORY else _ONE_TILE
    tile = None if exponent == _ONE_TILE else 64 << exponent
    return Header(codec, model_id, ImageHeader(width, height, bool(flags & _GREY), tile, rate))


def _read_directory(cursor: _Cursor, limits: Limits) -> tuple[Chunk, ...]:
    count = cursor.varint()
    _check_limit("chunks", count, "max_chunks", limits.max_chunks)
    table = [(chr(cursor.number(1)), cursor.varint(), cursor.number(4)) for _ in range(count)]
    first = cursor.position + _HEADER_SUM_BYTES
    offsets = accumulate((length for _, length, _ in table), initial=first)
    return tuple(Chunk(k, at, n, crc) for (k, n, crc), at in zip(table, offsets, strict=False))


def _header_sum(head: bytes | bytearray) -> bytes:
    return crc_hqx(head, 0xFFFF).to_bytes(_HEADER_SUM_BYTES, "little")


def _check_picture(media: ImageHeader, limits: Limits) -> None:
    pixels = media.width * media.height
    if pixels == 0:
        raise CorruptFileError("the picture has no pixels; get the file again")
    _check_limit("pixels a side", max(media.width, media.height), "max_side", limits.max_side)
    _check_limit("pixels", pixels, "max_pixels", limits.max_pixels)
    if media.tile is not None and media.tile not in _TILES:
        raise UnsupportedFeatureError("the file has an unknown layout of tiles; update ncodec")


def _check_chunks(chunks: tuple[Chunk, ...], limits: Limits) -> None:
    if not chunks:
        raise CorruptFileError("the file has no chunks; get it again")
    for chunk in chunks:
        _check_chunk(chunk, limits)
    for kind in ChunkKind.AT_MOST_ONCE:
        if sum(chunk.kind == kind for chunk in chunks) > 1:
            raise CorruptFileError(f"the file has several chunks {kind!r}; get it again")


def _check_chunk(chunk: Chunk, limits: Limits) -> None:
    if chunk.kind not in _LETTERS:
        raise CorruptFileError(f"{_name(chunk)} has a kind that is not a letter")
    if not chunk.ignorable and chunk.kind not in ChunkKind.KNOWN:
        raise UnsupportedFeatureError(f"{_name(chunk)} is of an unknown kind; update ncodec")
    _check_limit("bytes in a chunk", chunk.length, "max_chunk_bytes", limits.max_chunk_bytes)


def _check_limit(what: str, claim: int, name: str, limit: int) -> None:
    if claim > limit:
        hint = f"above the limit of {limit} ({name}); raise it if you trust the file"
        raise LimitExceededError(f"the file claims {claim} {what}, {hint}")


def _name(chunk: Chunk) -> str:
    return f"chunk {chunk.kind!r} at byte {chunk.offset}"


def _check_arguments(header: Header, chunks: Sequence[tuple[str, bytes]]) -> None:
    media = header.media
    numbers = {"codec": header.codec, "width": media.width, "height": media.height}
    for name, value in {**numbers, "rate": media.rate}.items():
        if type(value) is not int or not 0 <= value <= _VARINT_MAX:
            raise InputError(f"{name} must be an int from 0 to {_VARINT_MAX}, got {value!r}")
    if type(header.model_id) is not bytes or len(header.model_id) != _MODEL_ID_BYTES:
        raise InputError(f"model_id must be {_MODEL_ID_BYTES} bytes, got {header.model_id!r}")
    if type(media.grey) is not bool:
        raise InputError(f"grey must be True or False, got {media.grey!r}")
    if media.tile is not None and media.tile not in _TILES:
        raise InputError(f"tile must be one of {_TILES} or None, got {media.tile!r}")
    for kind, payload in chunks:
        if kind not in _LETTERS or type(payload) is not bytes:
            raise InputError(f"a chunk must be an ASCII letter and bytes, got {kind!r:.20}")


def _pack_header(header: Header, directory: bool) -> bytes:
    media = header.media
    flags = _DIRECTORY * directory | _GREY * media.grey
    sizes = _varint(media.width) + _varint(media.height) + _varint(media.rate)
    return MAGIC + bytes([VERSION << 4 | flags]) + _varint(header.codec) + header.model_id + sizes


def _pack_directory(chunks: Sequence[tuple[str, bytes]]) -> bytes:
    table = b"".join(kind.encode() + _varint(len(data)) + _crc(data) for kind, data in chunks)
    return _varint(len(chunks)) + table


def _crc(payload: bytes) -> bytes:
    return zlib.crc32(payload).to_bytes(_CRC_BYTES, "little")


def _varint(value: int) -> bytes:
    if value < 0x80:
        return bytes([value])
    return bytes([value & 0x7F | 0x80]) + _varint(value >> 7)
