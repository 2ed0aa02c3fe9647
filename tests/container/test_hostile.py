"""Whatever the bytes: a `BitstreamError` or a consistent reader, and little memory."""

import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncodec.container import (
    AudioHeader,
    ChunkKind,
    Header,
    ImageHeader,
    Limits,
    Reader,
    pack,
)
from ncodec.errors import BitstreamError, CorruptFileError, TruncatedError

from .craft import craft, craft_sound, entry, leb128, seal, second

PICTURE = ImageHeader(100, 40, False, 64, 7)
ESSENTIAL = [("L", b"first tile"), ("A", b"mask"), ("L", b"second tile")]
TILED = pack(Header(1, b"abcd", PICTURE), [("i", b"profile"), *ESSENTIAL, ("x", b"place")])
SINGLE = pack(Header(1, b"abcd", ImageHeader(100, 40, True, None, 7)), [("L", b"payload")])
HALF = AudioHeader(20_000, 16_000, 1, 6)
SECONDS = pack(Header(2, b"abcd", HALF), [("L", b"first second"), ("L", b"rest"), ("L", b"")])
SAMPLE = pack(Header(2, b"abcd", AudioHeader(1, 8_000, 2, 6)), [("L", b"payload")])
BRIEF = pack(
    Header(4, b"abcd", ImageHeader(100, 40, False, 64, 7, True)), [("L", b"1"), ("L", b"2")]
)
SMALL_FILES = {
    "tiled": TILED, "single": SINGLE, "seconds": SECONDS, "sample": SAMPLE, "brief": BRIEF,
}  # fmt: skip
each_small_file = pytest.mark.parametrize("data", SMALL_FILES.values(), ids=SMALL_FILES)
numbers = st.one_of(
    st.integers(0, 300), st.sampled_from([2**14, 65_535, 65_536, 2**28, 2**34, 2**35, 2**40])
).map(leb128) | st.binary(max_size=6)
kinds = st.sampled_from("LLAixqQ1\0\xff")
lengths = st.none() | st.integers(0, 2**36)
entries = st.lists(
    st.builds(entry, kinds, st.binary(max_size=9), lengths)
    | st.builds(second, st.binary(max_size=9), st.none() | st.integers(0, 2**31)),
    max_size=5,
)
lies: dict[str, st.SearchStrategy[Any]] = {
    "version": st.integers(0, 15),
    "flags": st.sampled_from([0, 1, 4, 5, 8, 9]) | st.integers(0, 15),
    "codec": numbers,
    "width": numbers,
    "height": numbers,
    "rate": numbers,
    "tile": st.integers(0, 255),
    "count": numbers,
    "entries": entries,
    "payloads": st.binary(max_size=40),
}
seconds = st.lists(
    st.builds(second, st.binary(max_size=9), st.none() | st.integers(0, 2**31)), max_size=5
)
sound_lies: dict[str, st.SearchStrategy[Any]] = {
    "version": st.integers(0, 15),
    "flags": st.sampled_from([2, 3]) | st.integers(0, 15),
    **dict.fromkeys(("codec", "samples", "sample_rate", "channels", "rate", "count"), numbers),
    "entries": seconds,
    "payloads": st.binary(max_size=40),
}
crafted = (
    st.lists(st.sampled_from(sorted(lies)), unique=True, max_size=4)
    .flatmap(lambda names: st.fixed_dictionaries({name: lies[name] for name in names}))
    .map(lambda fields: craft(**fields))
)

crafted_sounds = (
    st.lists(st.sampled_from(sorted(sound_lies)), unique=True, max_size=4)
    .flatmap(lambda names: st.fixed_dictionaries({name: sound_lies[name] for name in names}))
    .map(lambda fields: craft_sound(**fields))
)


def essential(data: bytes) -> list[tuple[str, bytes]]:
    """What a decoder that ignores damage to ignorable chunks gets."""
    reader = Reader(data)
    needed = [chunk for chunk in reader.chunks if not chunk.ignorable]
    return [(chunk.kind, reader.read(chunk)) for chunk in needed]


def check_medium(media: ImageHeader | AudioHeader, limits: Limits) -> None:
    if isinstance(media, AudioHeader):
        assert 0 <= media.samples <= limits.max_samples
        assert 1 <= media.sample_rate <= limits.max_sample_rate
        assert 1 <= media.channels <= limits.max_channels
        return
    assert 1 <= min(media.width, media.height) <= max(media.width, media.height) <= limits.max_side
    assert media.width * media.height <= limits.max_pixels
    assert media.tile is None or media.tile in [64 << exponent for exponent in range(15)]


def check_consistent(data: bytes, partial: bool) -> None:
    limits = Limits()
    try:
        reader = Reader(data, limits, partial)
    except BitstreamError:
        return
    check_medium(reader.header.media, limits)
    assert reader.chunks
    for chunk in reader.chunks:
        assert chunk.ignorable or chunk.kind in ChunkKind.KNOWN
        assert partial or chunk.end <= len(data)
        try:
            assert reader.read(chunk) == data[chunk.offset : chunk.end]
        except BitstreamError:
            continue


@each_small_file
def test_every_truncation_is_noticed(data: bytes) -> None:
    for size in range(len(data)):
        with pytest.raises(BitstreamError):
            essential(data[:size])


def test_every_truncation_leaves_partial_exactly_the_complete_chunks() -> None:
    chunks = Reader(TILED).chunks
    for size in range(len(TILED)):
        if size < chunks[0].offset:
            with pytest.raises(TruncatedError):
                Reader(TILED[:size], partial=True)
            continue
        reader = Reader(TILED[:size], partial=True)
        assert reader.chunks == chunks
        for chunk in chunks:
            if chunk.end <= size:
                assert reader.read(chunk) == TILED[chunk.offset : chunk.end]
            else:
                with pytest.raises(TruncatedError):
                    reader.read(chunk)


@each_small_file
def test_every_flipped_bit_is_noticed_or_harmless(data: bytes) -> None:
    whole = essential(data)
    noticed = 0
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            assert essential(bytes(damaged)) == whole
        except BitstreamError:
            noticed += 1
    ignorable = sum(chunk.length for chunk in Reader(data).chunks if chunk.ignorable)
    assert noticed == 8 * (len(data) - ignorable)


def test_a_damaged_ignorable_chunk_leaves_the_rest_intact() -> None:
    damaged = TILED.replace(b"profile", b"profane")
    assert essential(damaged) == ESSENTIAL
    reader = Reader(damaged)
    with pytest.raises(CorruptFileError, match="chunk 'i'"):
        reader.read(reader.of_kind(ChunkKind.ICC)[0])


def test_a_damaged_tile_leaves_the_other_tiles_intact() -> None:
    reader = Reader(TILED.replace(b"first", b"worst"))
    first, second = reader.of_kind(ChunkKind.LATENTS)
    assert reader.read(second) == b"second tile"
    with pytest.raises(CorruptFileError):
        reader.read(first)


@settings(deadline=None)
@given(st.binary(max_size=120), st.booleans(), st.booleans())
def test_random_bytes_are_refused_or_consistent(data: bytes, magic: bool, partial: bool) -> None:
    check_consistent(b"\x89N\r\n" + data if magic else data, partial)


@settings(deadline=None)
@given(crafted | crafted_sounds, st.booleans())
def test_crafted_files_with_right_checksums_are_refused_or_consistent(
    data: bytes, partial: bool
) -> None:
    check_consistent(data, partial)


@each_small_file
def test_every_changed_header_byte_with_a_new_checksum_is_refused_or_consistent(
    data: bytes,
) -> None:
    start = Reader(data).chunks[0].offset
    for position in range(start - 2):
        for value in range(256):
            head = data[:position] + bytes([value]) + data[position + 1 : start - 2]
            check_consistent(seal(head) + data[start:], partial=value % 2 == 0)


@pytest.mark.parametrize(
    "data",
    [
        craft(width=leb128(65_535), height=leb128(65_535)),
        craft(count=leb128(2**40)),
        craft(count=leb128(65_536)),
        craft(entries=[entry("L", b"onetwo", length=2**28)]),
        craft_sound(samples=leb128(2**31), sample_rate=leb128(1), count=leb128(65_536)),
        craft_sound(entries=[second(b"", 2**29), second(b"", 0)]),
    ],
    ids=["pixels", "count", "entries", "length", "seconds", "payload"],
)
def test_large_claims_of_a_small_file_take_little_memory(data: bytes) -> None:
    assert len(data) <= 64
    tracemalloc.start()
    try:
        with pytest.raises(BitstreamError):
            Reader(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2**20
