"""The smallest parts of a file: bytes at an offset, varints, checksums."""

from __future__ import annotations

import io
import zlib
from binascii import crc_hqx
from typing import BinaryIO, Final

from ncodec.errors import CorruptFileError, InputError, LimitExceededError, TruncatedError

VARINT_BYTES: Final = 5
VARINT_MAX: Final = 2 ** (7 * VARINT_BYTES) - 1
HEADER_SUM_BYTES: Final = 2
_BLOCK = 4096


def crc16(data: bytes | bytearray) -> int:
    """CRC-16 with polynomial 0x1021 and start 0xFFFF, of headers and of small payloads."""
    return crc_hqx(data, 0xFFFF)


def payload_sum(brief: bool, payload: bytes) -> int:
    """The checksum of a payload; files with small ones are brief."""
    return crc16(payload) if brief else zlib.crc32(payload)


def payload_sum_bytes(brief: bool) -> int:
    """How many bytes the checksum of a payload takes."""
    return 2 if brief else 4


def header_sum(head: bytes | bytearray) -> bytes:
    """The two bytes that end a header."""
    return crc16(head).to_bytes(HEADER_SUM_BYTES, "little")


def varint(value: int) -> bytes:
    """The bytes of a number, lowest seven bits first."""
    if value < 0x80:
        return bytes([value])
    return bytes([value & 0x7F | 0x80]) + varint(value >> 7)


def zigzag(value: int) -> int:
    """Map 0, -1, 1, -2, ... to 0, 1, 2, 3, ..."""
    return 2 * value if value >= 0 else -2 * value - 1


def unzigzag(value: int) -> int:
    """Undo `zigzag`."""
    return -(value + 1) // 2 if value & 1 else value // 2


def check_limit(what: str, claim: int, name: str, limit: int) -> None:
    """Raise LimitExceededError if a file claims more than the limit called `name`."""
    if claim > limit:
        hint = f"above the limit of {limit} ({name}); raise it if you trust the file"
        raise LimitExceededError(f"the file claims {claim} {what}, {hint}")


class Source:
    """Random access to bytes or to a binary file, however little a single read returns."""

    def __init__(self, source: bytes | BinaryIO) -> None:
        """Find the size. Raises InputError for what is neither, or cannot seek."""
        self._file = io.BytesIO(source) if isinstance(source, bytes) else source
        try:
            self._file.seek(0, io.SEEK_END)
            self.size = self._file.tell()
        except (AttributeError, OSError, ValueError) as error:
            hint = "pass an open binary file or bytes (those of a pipe once it is at its end)"
            raise InputError(f"cannot seek in the source ({error}); {hint}") from error

    def read_at(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes; TruncatedError if there are fewer."""
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


class Cursor:
    """Takes the header apart field by field, fetching blocks up to the limit or end of file."""

    def __init__(self, source: Source, limit: int) -> None:
        """Start at byte 0; `limit` is the most bytes that a header may have."""
        self._source, self._limit = source, limit
        self._data, self.position = bytearray(), 0

    def take(self, count: int) -> bytes:
        """The next bytes."""
        start, self.position = self.position, self.position + count
        if self.position > len(self._data):
            self._fetch(self.position)
        return bytes(self._data[start : self.position])

    def check_sum(self) -> None:
        """Take the header's checksum and compare it."""
        if header_sum(self._data[: self.position]) != self.take(HEADER_SUM_BYTES):
            raise CorruptFileError("the header is damaged (CRC-16); get the file again")

    def number(self, size: int) -> int:
        """The next bytes as one number."""
        return int.from_bytes(self.take(size), "little")

    def varint(self) -> int:
        """The next varint; CorruptFileError if it has more bytes than it needs, or than 5."""
        value = 0
        for shift in range(0, 7 * VARINT_BYTES, 7):
            byte = self.number(1)
            value |= (byte & 0x7F) << shift
            if byte == 0 and shift:
                break
            if byte < 0x80:
                return value
        raise CorruptFileError(f"the number before byte {self.position} is malformed; get it again")

    def _fetch(self, end: int) -> None:
        check_limit("bytes of header", end, "max_header", self._limit)
        size = self._source.size
        if end > size:
            raise TruncatedError(f"the file ends at byte {size}, in its header; get it again")
        have = len(self._data)
        stop = min(max(end, have + _BLOCK), self._limit, size)
        self._data += self._source.read_at(have, stop - have)
