"""What goes into a file comes out of it, however the source hands out its bytes."""

import io
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncodec.container import (
    AudioHeader,
    Chunk,
    ChunkKind,
    Header,
    ImageHeader,
    Limits,
    Reader,
    medium_of,
    pack,
)
from ncodec.errors import CorruptFileError, InputError, TruncatedError

from .craft import craft, craft_sound, entry, second

GOLDEN = Path(__file__).parents[1] / "golden"
HEADER = Header(1, b"\x0a\x0b\x0c\x0d", ImageHeader(100, 40, False, 64, 7))
CHUNKS = [("L", b"first tile"), ("L", b"second tile"), ("i", b"profile")]

sides = st.integers(1, 65_535)
numbers = st.integers(0, 2**35 - 1)
tiles = st.none() | st.integers(0, 14).map(lambda exponent: 64 << exponent)
media = st.builds(ImageHeader, sides, sides, st.booleans(), tiles, numbers, st.booleans())
headers = st.builds(Header, numbers, st.binary(min_size=4, max_size=4), media)
chunk_lists = st.lists(
    st.tuples(st.sampled_from("LAqz"), st.binary(max_size=200)), min_size=1, max_size=8
)
sounds = st.builds(
    AudioHeader, st.integers(0, 2**31), st.integers(1, 768_000), st.integers(1, 8), numbers
)
payload_lists = st.lists(st.binary(max_size=200), min_size=1, max_size=8)
SOUND = Header(2, HEADER.model_id, AudioHeader(20_000, 16_000, 1, 6))
ANY_SIZE = Limits(max_pixels=65_535**2)


class Trickle(io.BytesIO):
    """A file that gives at most three bytes a read."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(3 if size is None or size < 0 else min(size, 3))


class Recorder(io.BytesIO):
    """A file that remembers how many bytes were read."""

    count = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.count += len(data)
        return data


def contents(reader: Reader) -> list[tuple[str, bytes]]:
    return [(chunk.kind, reader.read(chunk)) for chunk in reader.chunks]


def same_picture(one: ImageHeader, other: ImageHeader) -> bool:
    def effective(tile: int | None, side: int) -> int:
        return side if tile is None else min(tile, side)

    side = max(one.width, one.height)
    plain = [(m.width, m.height, m.grey, effective(m.tile, side), m.rate) for m in (one, other)]
    return plain[0] == plain[1]


@settings(deadline=None)
@given(headers, chunk_lists)
def test_every_header_and_chunk_survives(header: Header, chunks: list[tuple[str, bytes]]) -> None:
    blob = pack(header, chunks)
    reader = Reader(blob, ANY_SIZE)
    assert (reader.header.codec, reader.header.model_id) == (header.codec, header.model_id)
    assert isinstance(header.media, ImageHeader)
    assert same_picture(reader.picture, header.media)
    assert contents(reader) == chunks
    assert reader.size == len(blob)


@settings(deadline=None)
@given(headers, st.binary(max_size=300))
def test_one_chunk_of_an_untiled_picture_survives(header: Header, payload: bytes) -> None:
    reader = Reader(pack(header, [("L", payload)]), ANY_SIZE)
    assert contents(reader) == [("L", payload)]


@pytest.mark.parametrize("source", [Trickle, io.BytesIO])
def test_sources_with_short_reads_give_the_same(source: type[io.BytesIO]) -> None:
    reader = Reader(source(pack(HEADER, CHUNKS)))
    assert reader.header == HEADER
    assert contents(reader) == CHUNKS


def test_a_file_on_disk_is_read_from_its_start_and_stays_open() -> None:
    with tempfile.TemporaryFile() as file:
        file.write(pack(HEADER, CHUNKS))
        assert contents(Reader(file)) == CHUNKS
        assert not file.closed


def test_a_covering_tile_reads_back_as_one_tile() -> None:
    covering = Header(1, HEADER.model_id, ImageHeader(100, 40, False, 128, 7))
    untiled = Header(1, HEADER.model_id, ImageHeader(100, 40, False, None, 7))
    assert pack(covering, CHUNKS[:1]) == pack(untiled, CHUNKS[:1])
    assert Reader(pack(covering, CHUNKS)).header == untiled


def test_a_single_tile_of_a_tiled_picture_keeps_the_tile_side() -> None:
    assert Reader(pack(HEADER, CHUNKS[:1])).header == HEADER


@pytest.mark.parametrize(("grey", "rate"), [(False, 100), (True, 0), (False, 16_383)])
def test_overhead_of_a_small_picture_is_at_most_24_bytes(grey: bool, rate: int) -> None:
    digest, coded = b"\x12\x34", bytes(900)
    header = Header(1, HEADER.model_id, ImageHeader(768, 512, grey, None, rate))
    assert len(pack(header, [("L", coded + digest)])) - len(coded) <= 24


def test_two_payloads_of_a_brief_picture_cost_26_bytes() -> None:
    header = Header(4, HEADER.model_id, ImageHeader(768, 512, False, None, 60, brief=True))
    blob = pack(header, [("L", bytes(700)), ("L", bytes(690))])
    assert len(blob) - 1390 == 26
    assert Reader(blob).header == header


def test_opening_a_file_reads_its_header_only() -> None:
    source = Recorder(pack(HEADER, [("L", bytes(100_000)), ("L", bytes(100_000))]))
    reader = Reader(source)
    assert source.count < 8_192
    reader.read(reader.chunks[1])
    assert source.count < 108_192


def test_a_long_directory_survives() -> None:
    chunks = [("L", bytes([index % 251])) for index in range(2_000)]
    assert contents(Reader(Trickle(pack(HEADER, chunks)))) == chunks


def test_chunks_are_found_by_kind_and_know_whether_they_matter() -> None:
    reader = Reader(pack(HEADER, CHUNKS))
    assert [chunk.kind for chunk in reader.of_kind(ChunkKind.LATENTS)] == ["L", "L"]
    assert reader.of_kind(ChunkKind.ALPHA) == ()
    assert [chunk.ignorable for chunk in reader.chunks] == [False, False, True]


def test_unknown_ignorable_chunks_do_not_disturb() -> None:
    entries = [entry("q", b"?!"), entry("L", b"one"), entry("L", b"two"), entry("q", b"")]
    reader = Reader(craft(entries=entries, payloads=b"?!onetwo"))
    assert [reader.read(chunk) for chunk in reader.of_kind("L")] == [b"one", b"two"]


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.ncd")), ids=lambda path: path.stem)
def test_golden_files_are_packed_as_they_were(path: Path) -> None:
    reader = Reader(path.read_bytes())
    assert pack(reader.header, contents(reader)) == path.read_bytes()


def test_both_writers_agree() -> None:
    assert pack(HEADER, [("L", b"one"), ("L", b"two")]) == craft()
    untiled = Header(1, HEADER.model_id, ImageHeader(100, 40, True, None, 7))
    assert pack(untiled, [("L", b"one")]) == craft(flags=0b0100, payloads=b"one")
    brief = replace(HEADER, media=ImageHeader(100, 40, False, 64, 7, brief=True))
    entries = [second(b"one"), second(b"two", 0)]
    crafted = craft(flags=0b1001, entries=entries)
    assert pack(brief, [("L", b"one"), ("L", b"two")]) == crafted
    assert pack(brief, [("L", b"one"), ("A", b"two")]) == pack(
        HEADER, [("L", b"one"), ("A", b"two")]
    )


def test_partial_says_which_chunks_are_gone() -> None:
    blob = pack(HEADER, CHUNKS)
    reader = Reader(blob[: -len(b"nd tile") - len(b"profile")], partial=True)
    assert reader.read(reader.chunks[0]) == b"first tile"
    for gone in reader.chunks[1:]:
        with pytest.raises(TruncatedError, match=f"chunk '{gone.kind}' at byte {gone.offset}"):
            reader.read(gone)


@pytest.mark.parametrize(("left", "error"), [(0, TruncatedError), (5, CorruptFileError)])
def test_partial_opens_a_cut_file_without_directory(left: int, error: type[Exception]) -> None:
    untiled = Header(1, HEADER.model_id, ImageHeader(100, 40, False, None, 7))
    header_size = len(pack(untiled, [("L", b"")])) - 4
    reader = Reader(pack(untiled, [("L", b"payload")])[: header_size + left], partial=True)
    assert reader.header == untiled
    with pytest.raises(error):
        reader.read(reader.chunks[0])


def test_partial_ignores_what_follows_the_last_chunk() -> None:
    assert contents(Reader(pack(HEADER, CHUNKS) + b"more", partial=True)) == CHUNKS


def test_a_chunk_of_another_file_is_not_handed_out() -> None:
    reader = Reader(pack(HEADER, CHUNKS))
    with pytest.raises(CorruptFileError):
        reader.read(Chunk("L", 0, 10, 0))
    with pytest.raises(InputError):
        reader.read(Chunk("L", -1, 1, 0))


@settings(deadline=None)
@given(numbers, st.binary(min_size=4, max_size=4), sounds, payload_lists)
def test_every_sound_survives(
    codec: int, model_id: bytes, media: AudioHeader, payloads: list[bytes]
) -> None:
    header, chunks = Header(codec, model_id, media), [("L", data) for data in payloads]
    blob = pack(header, chunks)
    reader = Reader(blob)
    assert (reader.header, reader.sound, reader.size) == (header, media, len(blob))
    assert contents(reader) == chunks


@pytest.mark.parametrize("samples", [0, 1, 16_000])
def test_overhead_of_a_small_sound_is_at_most_24_bytes(samples: int) -> None:
    digest, coded = b"\x12\x34", bytes(300)
    header = Header(2, HEADER.model_id, AudioHeader(samples, 16_000, 1, 100))
    assert len(pack(header, [("L", coded + digest)])) - len(coded) <= 24


def test_a_second_of_sound_costs_less_than_four_bytes() -> None:
    header = Header(2, HEADER.model_id, AudioHeader(3600 * 16_000, 16_000, 1, 6))
    lengths = [330 + 45 * (index % 3) for index in range(3600)]
    blob = pack(header, [("L", bytes(length)) for length in lengths])
    assert (len(blob) - sum(lengths)) / 3600 < 4


def test_both_writers_of_sounds_agree() -> None:
    assert pack(SOUND, [("L", b"one"), ("L", b"four")]) == craft_sound()
    assert pack(SOUND, [("L", b"one")]) == craft_sound(flags=0b0010, payloads=b"one")


def test_seconds_are_read_alone() -> None:
    source = Recorder(pack(SOUND, [("L", bytes(100_000)), ("L", bytes(100_000))]))
    reader = Reader(source)
    reader.read(reader.chunks[1])
    assert source.count < 108_192


def test_the_medium_shows_in_the_first_bytes() -> None:
    assert medium_of(craft()[:5]) == "image"
    assert medium_of(craft_sound()[:5]) == "audio"
    assert medium_of(craft()[:4]) is None
    assert medium_of(b"RIFF\x24") is None
