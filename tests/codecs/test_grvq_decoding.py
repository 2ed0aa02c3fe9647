"""Spans, lost chunks, hostile bytes: decoding files of sounds, with untrained networks."""

import random
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncodec.codecs.base import Target
from ncodec.codecs.grvq import GrvqCodec
from ncodec.codecs.grvq_gains import Muter
from ncodec.codecs.grvq_layout import Timing
from ncodec.container import AudioHeader, Header, ImageHeader, Reader, pack
from ncodec.errors import (
    BitstreamError,
    CorruptFileError,
    OptionError,
    TruncatedError,
)
from ncodec.media import Audio, LostSpan

from .sounds import CountingReader, sound

RATE = 22_050
SECONDS = 5


@pytest.fixture(scope="module")
def long(sounds: GrvqCodec) -> bytes:
    return sounds.compress(sound(RATE * SECONDS + 99, 2, RATE), Target("quality", 0)).data


@pytest.fixture(scope="module")
def whole(sounds: GrvqCodec, long: bytes) -> Audio:
    return sounds.decompress(Reader(long))


@pytest.fixture(scope="module")
def small(sounds: GrvqCodec) -> bytes:
    """A file of one chunk."""
    data = sounds.compress(sound(1000), Target("quality", 0)).data
    assert len(data) < 60
    return data


def damaged(data: bytes, *indexes: int) -> bytes:
    """The file with a bit of some of its chunks flipped."""
    changed = bytearray(data)
    for index in indexes:
        changed[Reader(data).chunks[index].offset] ^= 1
    return bytes(changed)


@pytest.mark.parametrize(
    "span", [(0, None), (0, 0.5), (1, 2), (2.2, 2.2001), (3.99, None), (4.5, 99.0), (5.001, 5.002)]
)
def test_a_span_is_that_part_of_the_whole(
    sounds: GrvqCodec, long: bytes, whole: Audio, span: tuple[float, float | None]
) -> None:
    found = sounds.decompress(Reader(long), span=span).array
    first = round(span[0] * RATE)
    last = len(whole.array) if span[1] is None else min(round(span[1] * RATE), len(whole.array))
    assert found.shape == (last - first, 2)
    np.testing.assert_allclose(found, whole.array[first:last], atol=2e-5)


@pytest.mark.parametrize(
    ("span", "read"),
    [((0, 0.5), {0}), ((0.99, 1), {0, 1}), ((3, 3.5), {1, 2, 3}), ((4.2, None), {2, 3, 4, 5})],
)
def test_a_span_reads_only_what_it_needs(
    sounds: GrvqCodec, long: bytes, span: tuple[float, float | None], read: set[int]
) -> None:
    reader = CountingReader(long)
    sounds.decompress(reader, span=span)
    assert set(reader.reads) == read
    assert set(reader.reads.values()) == {1}


@pytest.mark.parametrize("span", [(-1, 2), (3, 3), (3, 2), (6, None), (5.1, 9), (float("nan"), 2)])
def test_spans_that_are_none_are_refused(
    sounds: GrvqCodec, long: bytes, span: tuple[float, float | None]
) -> None:
    with pytest.raises(OptionError, match="seconds"):
        sounds.decompress(Reader(long), span=span)


def test_at_low_rates_spans_begin_earlier_for_the_filter(sounds: GrvqCodec) -> None:
    data = sounds.compress(sound(100 * 12, 1, 100), Target("quality", 0)).data
    expected = sounds.decompress(Reader(data)).array[1100:1150]
    found = sounds.decompress(Reader(data), span=(11, 11.5)).array
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_a_damaged_chunk_is_an_error_or_named_and_filled(
    sounds: GrvqCodec, long: bytes, whole: Audio
) -> None:
    broken = damaged(long, 2)
    for action in (sounds.decompress, sounds.check):
        with pytest.raises(CorruptFileError, match="CRC-16"):
            action(Reader(broken))
    found = sounds.decompress(Reader(broken), partial=True)
    assert found.lost == (LostSpan(1.95, 2.95),)
    assert found.array.shape == whole.array.shape
    before, after = int(1.9 * RATE), int(4.0 * RATE)
    np.testing.assert_allclose(found.array[:before], whole.array[:before], atol=2e-5)
    np.testing.assert_allclose(found.array[after:], whole.array[after:], atol=2e-5)
    assert np.abs(found.array - whole.array)[before:after].max() > 0.01
    assert not found.array[int(2.5 * RATE) : int(2.9 * RATE)].any()


def test_neighbouring_losses_are_one_and_the_ends_are_the_sounds(
    sounds: GrvqCodec, long: bytes
) -> None:
    lost = sounds.decompress(Reader(damaged(long, 0, 1, 4, 5)), partial=True).lost
    assert lost == (LostSpan(0, 1.95), LostSpan(3.95, SECONDS + 99 / RATE))


def test_losses_outside_the_span_are_not_named(sounds: GrvqCodec, long: bytes) -> None:
    broken = damaged(long, 0, 5)
    assert sounds.decompress(Reader(broken), span=(2.5, 3.5), partial=True).lost == ()
    (lost,) = sounds.decompress(Reader(broken), span=(0.5, 3), partial=True).lost
    assert lost == LostSpan(0, 0.95)


def test_a_truncated_file_decodes_as_far_as_it_goes(sounds: GrvqCodec, long: bytes) -> None:
    short = long[: Reader(long).chunks[3].offset + 2]
    with pytest.raises(TruncatedError):
        Reader(short)
    found = sounds.decompress(Reader(short, partial=True), partial=True)
    assert found.lost == (LostSpan(2.95, SECONDS + 99 / RATE),)


def test_a_file_without_a_readable_chunk_is_an_error(sounds: GrvqCodec, long: bytes) -> None:
    broken = damaged(long, *range(6))
    with pytest.raises(CorruptFileError):
        sounds.decompress(Reader(broken), partial=True)
    with pytest.raises(CorruptFileError):
        sounds.decompress(Reader(damaged(long, 0, 1)), span=(0, 0.5), partial=True)


def test_a_partial_decode_of_an_intact_file_is_the_decode(
    sounds: GrvqCodec, long: bytes, whole: Audio
) -> None:
    found = sounds.decompress(Reader(long), partial=True)
    assert found.lost == ()
    np.testing.assert_array_equal(found.array, whole.array)


def test_lost_frames_fade_out_and_silent_ones_at_once() -> None:
    ones = np.ones((1, 320 * 50), np.float32)
    faded = Muter(1).step(ones, np.zeros((1, 50), bool), True)[0]
    assert (faded[: 320 * 6] == 1).all()
    assert (np.diff(faded) <= 0).all()
    assert not faded[320 * 21 :].any()
    muter = Muter(1)
    quiet = muter.step(ones[:, :960], np.array([[True, True, False]]), False)[0]
    np.testing.assert_allclose(quiet[:320], np.linspace(1, 0, 321)[1:], atol=1e-6)
    assert not quiet[320:640].any()
    np.testing.assert_allclose(quiet[640:], np.linspace(0, 1, 321)[1:], atol=1e-6)


def decoded(codec: GrvqCodec, data: bytes) -> Audio | None:
    """The sound, or None for a `BitstreamError`; everything else is a failure."""
    try:
        reader = Reader(data)
        if reader.sound.samples > 2**22 or reader.sound.sample_rate > 2**18:
            return None  # Right, but slow.
        found = codec.decompress(reader)
    except BitstreamError:
        return None
    assert found.array.shape == (reader.sound.samples, reader.sound.channels)
    return found


def repacked(data: bytes, media: AudioHeader, payloads: list[bytes]) -> bytes:
    header = Reader(data).header
    return pack(Header(2, header.model_id, media), [("L", payload) for payload in payloads])


def flips(data: bytes, step: int = 1) -> Iterator[bytes]:
    for bit in range(0, 8 * len(data), step):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        yield bytes(changed)


def test_every_truncation_and_every_bit_flip_is_an_error(sounds: GrvqCodec, small: bytes) -> None:
    for length in range(len(small)):
        assert decoded(sounds, small[:length]) is None
    for changed in flips(small):
        assert decoded(sounds, changed) is None


def test_changed_payloads_with_right_checksums_hardly_ever_pass(
    sounds: GrvqCodec, small: bytes
) -> None:
    reader = Reader(small)
    payload = reader.read(reader.chunks[0])
    passed = [
        changed
        for changed in flips(payload)
        if decoded(sounds, repacked(small, reader.sound, [changed])) is not None
    ]
    assert len(passed) <= 4


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.binary(max_size=30), min_size=1, max_size=3),
    st.integers(0, 40_000),
    st.sampled_from([1, 100, 8000, 16_000, 44_100]),
    st.integers(1, 8),
    st.integers(0, 3000),
)
def test_random_files_with_right_checksums(
    payloads: list[bytes], samples: int, rate: int, channels: int, number: int
) -> None:
    codec = CODEC[0]
    media = AudioHeader(samples, rate, channels, number)
    header = Header(2, codec.model_id, media)
    decoded(codec, pack(header, [("L", payload) for payload in payloads]))


CODEC: list[GrvqCodec] = []


@pytest.fixture(scope="module", autouse=True)
def _keep(sounds: GrvqCodec) -> None:
    """Fixtures and hypothesis do not mix."""
    CODEC.append(sounds)


def test_headers_that_no_encoder_writes_are_refused(sounds: GrvqCodec, small: bytes) -> None:
    reader = Reader(small)
    payload = reader.read(reader.chunks[0])
    media = reader.sound
    wrong = [
        AudioHeader(media.samples, 16_000, 1, 2**34),
        AudioHeader(media.samples, 16_000, 1, media.rate + 14),
        AudioHeader(media.samples, 16_000, 2, media.rate),
        AudioHeader(media.samples + 640, 16_000, 1, media.rate),
        AudioHeader(0, 16_000, 1, media.rate),
    ]
    for header in wrong:
        with pytest.raises(BitstreamError):
            sounds.decompress(Reader(repacked(small, header, [payload])))


@pytest.mark.parametrize("chunks", [1, 5, 7])
def test_the_number_of_chunks_must_be_that_of_the_seconds(
    sounds: GrvqCodec, small: bytes, chunks: int
) -> None:
    media = AudioHeader(2**31, 768_000, 8, 0) if chunks == 5 else AudioHeader(96_000, 16_000, 1, 0)
    data = repacked(small, media, [bytes(1)] * chunks)
    for action in (sounds.decompress, sounds.check):
        with pytest.raises((TruncatedError, CorruptFileError), match="chunks for"):
            action(Reader(data))


def test_a_picture_where_a_sound_belongs_is_refused(sounds: GrvqCodec) -> None:
    media = ImageHeader(16, 16, False, None, 0)
    data = pack(Header(2, sounds.model_id, media), [("L", bytes(4))])
    with pytest.raises(CorruptFileError, match="picture"):
        sounds.decompress(Reader(data))


def test_bytes_at_random_places_of_a_long_file(sounds: GrvqCodec, long: bytes) -> None:
    source = random.Random(0)
    for _ in range(40):
        changed = bytearray(long)
        for _ in range(source.randint(1, 5)):
            changed[source.randrange(len(changed))] = source.randrange(256)
        if changed == long:
            continue
        assert decoded(sounds, bytes(changed)) is None
        try:
            reader = Reader(bytes(changed), partial=True)
            list(sounds.decompress_blocks(reader, partial=True, span=(0, 1)))
        except (BitstreamError, OptionError):
            continue


@pytest.mark.parametrize("samples", [0, 1, 15_199, 15_200, 15_201, 16_000, 16_001, 31_999, 80_000])
def test_frames_cover_the_sound_and_the_delay(samples: int) -> None:
    timing = Timing(samples, 16_000)
    frames = [timing.chunk_frames(index) for index in range(timing.chunks)]
    assert sum(frames) == timing.frames
    assert all(n == 50 for n in frames[:-1])
    assert frames[-1] <= 54
    if samples:
        assert 0 <= timing.frames * 320 - samples - 800 < 640
