"""Each way in which a file, a source or an argument can be wrong, once."""

import io
import os
import re
from pathlib import Path
from typing import cast

import pytest

from ncodec.container import AudioHeader, Header, ImageHeader, Limits, Reader, pack
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

from .craft import craft, craft_sound, entry, leb128, second

VALID = craft()
SOUND = craft_sound()
BRIEF = craft(flags=0b1001, entries=[second(b"one"), second(b"two", 0)])
HUGE = leb128(65_535)
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
JPEG = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01"
WAV = b"RIFF\x24\0\0\0WAVEfmt "

WRONG_FILES = [
    (b"", TruncatedError, "only 0 bytes"),
    (b"\x89N", TruncatedError, "only 2 bytes"),
    (VALID[:20], TruncatedError, "ends at byte 20, in its header"),
    (VALID[:-1], TruncatedError, "get it again"),
    (VALID + b"x", CorruptFileError, "get it again"),
    (b"something else", NotNcodecFileError, "73 6f 6d 65 instead of 89 4e 0d 0a"),
    (PNG, NotNcodecFileError, "PNG"),
    (JPEG, NotNcodecFileError, "JPEG"),
    (WAV, NotNcodecFileError, "WAV"),
    (VALID.replace(b"\r\n", b"\n"), NotNcodecFileError, "binary mode"),
    (VALID.replace(b"\n", b"\r\n"), NotNcodecFileError, "binary mode"),
    (bytes(byte & 0x7F for byte in VALID), NotNcodecFileError, "binary mode"),
    (VALID.decode("latin-1").encode(), NotNcodecFileError, "binary mode"),
    (VALID.decode(errors="replace").encode(), NotNcodecFileError, "binary mode"),
    (craft(version=2), UnsupportedVersionError, "version 2"),
    (craft(version=0), CorruptFileError, "version 0"),
    (craft(flags=0b0111), UnsupportedFeatureError, "0111b"),
    (craft_sound(flags=0b1011), UnsupportedFeatureError, "1011b"),
    (BRIEF[:-1], TruncatedError, "get it again"),
    (BRIEF + b"x", CorruptFileError, "get it again"),
    (BRIEF[:-1] + b"!", CorruptFileError, "chunk 'L' at byte 26 is damaged (CRC-16)"),
    (craft(flags=0b1001, entries=[second(b"", 1)]), CorruptFileError, "negative length"),
    (VALID[:12] + b"\0" + VALID[13:], CorruptFileError, "header is damaged"),
    (VALID[:-1] + b"!", CorruptFileError, "chunk 'L' at byte 32 is damaged"),
    (craft(rate=b"\x87\x00"), CorruptFileError, "malformed"),
    (craft(rate=b"\x80\x80\x80\x80\x80\x01"), CorruptFileError, "malformed"),
    (craft(count=leb128(2**40)), CorruptFileError, "malformed"),
    (craft(count=leb128(2**34)), LimitExceededError, "max_chunks"),
    (craft(count=leb128(65_537)), LimitExceededError, "max_chunks"),
    (craft(count=leb128(65_536)), TruncatedError, "in its header"),
    (craft(count=b"\0", entries=[], payloads=b""), CorruptFileError, "no chunks"),
    (craft(width=leb128(0)), CorruptFileError, "no pixels"),
    (craft(height=leb128(0)), CorruptFileError, "no pixels"),
    (craft(width=leb128(65_536)), LimitExceededError, "max_side"),
    (craft(width=HUGE, height=HUGE), LimitExceededError, "max_pixels"),
    (craft(tile=16), UnsupportedFeatureError, "tiles"),
    (craft(tile=255), UnsupportedFeatureError, "tiles"),
    (craft(entries=[entry("Q", b"onetwo")]), UnsupportedFeatureError, "unknown kind"),
    (craft(entries=[entry("?", b"onetwo")]), CorruptFileError, "letter"),
    (craft(entries=[entry("\xe4", b"onetwo")]), CorruptFileError, "letter"),
    (craft(entries=[entry("i", b"one"), entry("i", b"two")]), CorruptFileError, "several"),
    (craft(entries=[entry("L", b"one", length=2**34)]), LimitExceededError, "max_chunk_bytes"),
    (craft(entries=[entry("L", b"one", length=2**28)]), TruncatedError, "end at byte"),
    (b"OggS" + bytes(20), NotNcodecFileError, "Ogg"),
    (SOUND[:-1], TruncatedError, "get it again"),
    (SOUND[:20], TruncatedError, "in its header"),
    (SOUND + b"x", CorruptFileError, "get it again"),
    (SOUND[:-1] + b"!", CorruptFileError, "chunk 'L' at byte 29 is damaged (CRC-16)"),
    (craft_sound(sample_rate=leb128(0)), CorruptFileError, "no sample rate"),
    (craft_sound(channels=leb128(0)), CorruptFileError, "no channels"),
    (craft_sound(samples=leb128(2**31 + 1)), LimitExceededError, "max_samples"),
    (craft_sound(sample_rate=leb128(768_001)), LimitExceededError, "max_sample_rate"),
    (craft_sound(channels=leb128(9)), LimitExceededError, "max_channels"),
    (craft_sound(count=leb128(65_537)), LimitExceededError, "max_chunks"),
    (craft_sound(count=b"\0", entries=[], payloads=b""), CorruptFileError, "no chunks"),
    (craft_sound(entries=[second(b"", 1)], payloads=b""), CorruptFileError, "negative length"),
    (craft_sound(entries=[second(b"", 2**34)]), LimitExceededError, "max_chunk_bytes"),
    (craft_sound(entries=[second(b"", 2**29)]), TruncatedError, "end at byte"),
]


def read_all(data: bytes) -> None:
    reader = Reader(data)
    for chunk in reader.chunks:
        reader.read(chunk)


@pytest.mark.parametrize(
    ("data", "error", "message"), WRONG_FILES, ids=[text for _, _, text in WRONG_FILES]
)
def test_a_wrong_file_gets_its_own_error(
    data: bytes, error: type[BitstreamError], message: str
) -> None:
    with pytest.raises(error, match=re.escape(message)) as caught:
        read_all(data)
    assert type(caught.value) is error


def test_the_file_that_the_wrong_ones_derive_from_is_right() -> None:
    for data in (VALID, SOUND, BRIEF):
        read_all(data)


def test_a_reader_says_when_the_medium_is_not_the_one_wanted() -> None:
    with pytest.raises(CorruptFileError, match="holds a sound"):
        _ = Reader(SOUND).picture
    with pytest.raises(CorruptFileError, match="holds a picture"):
        _ = Reader(VALID).sound


def test_limits_can_be_raised_and_lowered() -> None:
    large = craft(width=HUGE, height=HUGE)
    assert Reader(large, Limits(max_pixels=2**32)).picture.width == 65_535
    assert Reader(craft_sound(channels=leb128(64)), Limits(max_channels=64)).sound.channels == 64
    assert Reader(craft(width=leb128(70_000)), Limits(max_side=70_000)).size > 0
    with pytest.raises(LimitExceededError, match="max_header"):
        Reader(VALID, Limits(max_header=20))
    with pytest.raises(LimitExceededError, match="max_chunk_bytes"):
        Reader(VALID, Limits(max_chunk_bytes=2))
    with pytest.raises(LimitExceededError, match="max_chunks"):
        Reader(VALID, Limits(max_chunks=1))
    with pytest.raises(LimitExceededError, match="max_pixels"):
        Reader(VALID, Limits(max_pixels=3_999))
    with pytest.raises(LimitExceededError, match="max_samples"):
        Reader(SOUND, Limits(max_samples=19_999))


def test_a_pipe_is_refused_with_a_way_out() -> None:
    inlet, outlet = os.pipe()
    os.close(outlet)
    with os.fdopen(inlet, "rb") as pipe, pytest.raises(InputError, match=r"pass .* bytes"):
        Reader(pipe)


@pytest.mark.parametrize("source", ["a.ncd", None, 7, Path("a.ncd")])
def test_a_source_that_is_no_file_is_refused(source: object) -> None:
    with pytest.raises(InputError, match="open binary file"):
        Reader(cast(bytes, source))


def test_a_file_in_text_mode_is_refused() -> None:
    with pytest.raises(InputError, match="'rb'"):
        Reader(cast(io.BytesIO, io.StringIO("some text")))


def test_a_closed_file_is_refused() -> None:
    source = io.BytesIO(VALID)
    source.close()
    with pytest.raises(InputError, match="closed"):
        Reader(source)


def test_a_file_closed_before_a_payload_is_read_is_refused() -> None:
    source = io.BytesIO(VALID)
    reader = Reader(source)
    source.close()
    with pytest.raises(InputError, match="closed"):
        reader.read(reader.chunks[0])


def test_a_file_that_shrinks_meanwhile_is_truncated() -> None:
    source = io.BytesIO(VALID)
    reader = Reader(source)
    source.truncate(reader.chunks[1].offset + 1)
    with pytest.raises(TruncatedError, match="shorter"):
        reader.read(reader.chunks[1])


PICTURE = ImageHeader(100, 40, False, None, 7)
LATENTS = [("L", b"one")]
WRONG_HEADERS = [
    (Header(-1, b"abcd", PICTURE), "codec"),
    (Header(2**35, b"abcd", PICTURE), "codec"),
    (Header(True, b"abcd", PICTURE), "codec"),
    (Header(1, b"abc", PICTURE), "model_id"),
    (Header(1, cast(bytes, "abcd"), PICTURE), "model_id"),
    (Header(1, b"abcd", ImageHeader(0, 40, False, None, 7)), "no pixels"),
    (Header(1, b"abcd", ImageHeader(100, 65_536, False, None, 7)), "max_side"),
    (Header(1, b"abcd", ImageHeader(-1, 40, False, None, 7)), "width"),
    (Header(1, b"abcd", ImageHeader(100, cast(int, 40.0), False, None, 7)), "height"),
    (Header(1, b"abcd", ImageHeader(100, 40, cast(bool, 1), None, 7)), "grey"),
    (Header(1, b"abcd", ImageHeader(100, 40, False, 100, 7)), "tile"),
    (Header(1, b"abcd", ImageHeader(100, 40, False, 32, 7)), "tile"),
    (Header(1, b"abcd", ImageHeader(100, 40, False, None, -1)), "rate"),
    (Header(2, b"abcd", AudioHeader(-1, 16_000, 1, 6)), "samples"),
    (Header(2, b"abcd", AudioHeader(2**31 + 1, 16_000, 1, 6)), "max_samples"),
    (Header(2, b"abcd", AudioHeader(9, 0, 1, 6)), "no sample rate"),
    (Header(2, b"abcd", AudioHeader(9, cast(int, 44_100.0), 1, 6)), "sample_rate"),
    (Header(2, b"abcd", AudioHeader(9, 16_000, 9, 6)), "max_channels"),
    (Header(2, b"abcd", AudioHeader(9, 16_000, 1, -1)), "rate"),
]
WRONG_CHUNKS = [
    ([], "no chunks"),
    ([("Q", b"")], "unknown kind"),
    ([("LL", b"")], "letter"),
    ([("", b"")], "letter"),
    ([("1", b"")], "letter"),
    ([("L", cast(bytes, "text"))], "bytes"),
    ([("i", b""), ("L", b""), ("i", b"")], "several"),
    ([("q", b"")] * 65_537, "max_chunks"),
]


@pytest.mark.parametrize(("header", "message"), WRONG_HEADERS)
def test_pack_refuses_headers_that_no_file_can_hold(header: Header, message: str) -> None:
    with pytest.raises(InputError, match=message):
        pack(header, LATENTS)


@pytest.mark.parametrize(("chunks", "message"), WRONG_CHUNKS)
def test_pack_refuses_chunks_that_no_file_can_hold(
    chunks: list[tuple[str, bytes]], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        pack(Header(1, b"abcd", PICTURE), chunks)


@pytest.mark.parametrize(
    ("chunks", "message"), [([], "no chunks"), ([("L", b""), ("i", b"")], "chunks 'L' only")]
)
def test_pack_refuses_chunks_that_no_sound_can_hold(
    chunks: list[tuple[str, bytes]], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        pack(Header(2, b"abcd", AudioHeader(9, 16_000, 1, 6)), chunks)
