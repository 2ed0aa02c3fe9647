"""A second, independent writer: any field may be a lie, yet the checksums are right."""

import zlib
from binascii import crc_hqx
from collections.abc import Sequence

MODEL = b"\x0a\x0b\x0c\x0d"


def leb128(value: int) -> bytes:
    groups = [value & 0x7F]
    while value := value >> 7:
        groups.append(value & 0x7F)
    return bytes(group | 0x80 for group in groups[:-1]) + bytes(groups[-1:])


def entry(kind: str, payload: bytes, length: int | None = None, crc: int | None = None) -> bytes:
    stated = len(payload) if length is None else length
    digest = zlib.crc32(payload) if crc is None else crc
    return kind.encode("latin-1") + leb128(stated) + digest.to_bytes(4, "little")


def seal(data: bytes, before: bytes = b"") -> bytes:
    return before + data + crc_hqx(data, 0xFFFF).to_bytes(2, "little")


def seal32(data: bytes, before: bytes = b"") -> bytes:
    return before + data + zlib.crc32(data).to_bytes(4, "little")


def craft(
    *,
    version: int = 1,
    flags: int = 0b0001,
    codec: bytes = leb128(1),
    width: bytes = leb128(100),
    height: bytes = leb128(40),
    rate: bytes = leb128(7),
    tile: int = 0,
    count: bytes | None = None,
    entries: Sequence[bytes] = (entry("L", b"one"), entry("L", b"two")),
    payloads: bytes = b"onetwo",
) -> bytes:
    """A file with a directory (bit 0 of `flags`) or one whose `payloads` end in their CRC.

    A brief one (bit 3) has the entries of a sound, see `second`.
    """
    head = b"\x89N\r\n" + bytes([version << 4 | flags]) + codec + MODEL + width + height + rate
    if flags & 1:
        number = leb128(len(entries)) if count is None else count
        return seal(head + bytes([tile]) + number + b"".join(entries)) + payloads
    return (seal if flags & 8 else seal32)(payloads, seal(head))


def second(payload: bytes, difference: int | None = None, crc: int | None = None) -> bytes:
    """An entry of a sound's directory; `difference` is its length field, before the varint."""
    stated = 2 * len(payload) if difference is None else difference
    digest = crc_hqx(payload, 0xFFFF) if crc is None else crc
    return leb128(stated) + digest.to_bytes(2, "little")


def craft_sound(
    *,
    version: int = 1,
    flags: int = 0b0011,
    codec: bytes = leb128(2),
    samples: bytes = leb128(20_000),
    sample_rate: bytes = leb128(16_000),
    channels: bytes = leb128(1),
    rate: bytes = leb128(6),
    count: bytes | None = None,
    entries: Sequence[bytes] = (second(b"one"), second(b"four", 2)),
    payloads: bytes = b"onefour",
) -> bytes:
    """A sound with a directory (bit 0 of `flags`) or one whose `payloads` end in their CRC-16."""
    media = samples + sample_rate + channels + rate
    head = b"\x89N\r\n" + bytes([version << 4 | flags]) + codec + MODEL + media
    if flags & 1:
        number = leb128(len(entries)) if count is None else count
        return seal(head + number + b"".join(entries)) + payloads
    return seal(payloads, seal(head))
