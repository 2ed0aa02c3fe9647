"""Whatever the bytes: the `vqgan` codec decodes a picture or raises a `BitstreamError`, soon."""

import time
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncodec.api import Codec
from ncodec.codecs.base import Target
from ncodec.codecs.vqgan import VqganCodec
from ncodec.codecs.vqgan_rate import RATES, Rate
from ncodec.codecs.vqgan_trim import trim
from ncodec.container import Header, ImageHeader, Limits, Reader, pack
from ncodec.container.fields import crc16
from ncodec.errors import (
    BitstreamError,
    CorruptFileError,
    LimitExceededError,
    OptionError,
    TruncatedError,
)
from ncodec.media import Image

from .pictures import picture
from .test_hostile import MIB, flips, memory_below
from .test_vqgan import engine_of
from .vqgan_weights import all_arrays, save

SECONDS = 5
"""Far more than any of these may take, even on a busy machine."""


@cache
def any_engine() -> VqganCodec:
    """A loaded codec; fixtures and hypothesis do not mix."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "vqgan.safetensors"
        save(all_arrays(), path)
        return VqganCodec(path)


@pytest.fixture
def engine(vqgan: Codec) -> VqganCodec:
    return engine_of(vqgan)


@pytest.fixture(params=[0, 30])
def small(vqgan: Codec, request: pytest.FixtureRequest) -> bytes:
    """A file of two chunks, without and with words left out."""
    blob = vqgan.encode(picture(70, 60), quality=50, drop=request.param)
    assert 40 < len(blob) < 80
    assert Rate.of(Reader(blob).picture.rate).left_out == request.param
    return blob


def decoded(engine: VqganCodec, data: bytes, partial: bool = False) -> Image | None:
    """The picture, or None for a `BitstreamError`; everything else is a failure."""
    try:
        reader = Reader(data, partial=partial)
        image = engine.decompress(reader, partial=partial)
    except BitstreamError:
        return None
    media = reader.picture
    assert image.array.shape[:2] == (media.height, media.width)
    return image


def packed(engine: VqganCodec, media: ImageHeader, *payloads: bytes) -> bytes:
    return pack(Header(4, engine.model_id, media), [("L", payload) for payload in payloads])


def test_every_truncation_is_an_error(engine: VqganCodec, small: bytes) -> None:
    for length in range(len(small)):
        assert decoded(engine, small[:length]) is None


def test_every_bit_flip_is_an_error(engine: VqganCodec, small: bytes) -> None:
    for changed in flips(small):
        assert decoded(engine, changed) is None


def test_every_truncation_and_flip_gives_a_picture_or_an_error_in_a_partial_decode(
    engine: VqganCodec, small: bytes
) -> None:
    first = Reader(small).chunks[0]
    for length in range(len(small)):
        found = decoded(engine, small[:length], partial=True)
        assert (found is not None) == (length >= first.end)
    for changed in flips(small, 5):
        found = decoded(engine, changed, partial=True)
        assert found is None or found.warnings


def test_changed_headers_with_right_checksums(engine: VqganCodec, small: bytes) -> None:
    end = Reader(small).chunks[0].offset
    for number, changed in enumerate(flips(small[: end - 2])):
        sealed = changed + crc16(changed).to_bytes(2, "little") + small[end:]
        decoded(engine, sealed, partial=number % 2 == 0)


def test_changed_payloads_with_right_checksums(engine: VqganCodec, small: bytes) -> None:
    reader = Reader(small)
    one, two = (reader.read(chunk) for chunk in reader.chunks)
    images = [decoded(engine, packed(engine, reader.picture, c, two)) for c in flips(one)]
    # A digest of 8 bits, and the check that an encoder writes such bytes, miss few.
    assert sum(image is not None for image in images) <= len(images) // 100


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.binary(max_size=30), min_size=1, max_size=3),
    st.integers(0, RATES + 3),
    st.integers(1, 40),
    st.integers(1, 70),
    st.booleans(),
)
def test_random_payloads_with_right_checksums(
    payloads: list[bytes], rate: int, width: int, height: int, grey: bool
) -> None:
    media = ImageHeader(width, height, grey, None, rate, True)
    found = decoded(any_engine(), packed(any_engine(), media, *payloads))
    assert found is None or found.grey == grey


def test_wrong_rates_are_named(engine: VqganCodec, small: bytes) -> None:
    reader = Reader(small)
    payloads = [reader.read(chunk) for chunk in reader.chunks]
    for rate in (RATES, RATES + 1, 2**35 - 1):
        media = ImageHeader(70, 60, False, None, rate, True)
        with pytest.raises(CorruptFileError, match=f"rate step {rate}"):
            engine.decompress(Reader(packed(engine, media, *payloads)))
    for other in (Rate(0, 0), Rate(96, 0), Rate(96, 50), Rate(48, 1)):
        media = ImageHeader(70, 60, False, None, other.number, True)
        with pytest.raises(BitstreamError):
            engine.decompress(Reader(packed(engine, media, *payloads)))


@pytest.mark.parametrize("count", [1, 3, 4])
def test_a_wrong_number_of_chunks_is_an_error(engine: VqganCodec, small: bytes, count: int) -> None:
    reader = Reader(small)
    payload = reader.read(reader.chunks[0])
    with pytest.raises((TruncatedError, CorruptFileError), match=f"{count} latent chunks"):
        engine.decompress(Reader(packed(engine, reader.picture, *[payload] * count)))


@pytest.mark.parametrize("side", [None, 2**12, 2**20])
def test_a_huge_tile_is_refused_before_memory_is_taken(
    engine: VqganCodec, side: int | None
) -> None:
    for width, height in ((16_000, 16_000), (65_535, 4_000)):
        media = ImageHeader(width, height, False, side, 0, True)
        data = packed(engine, media, *[bytes(2)] * 8)
        with memory_below(MIB), pytest.raises(LimitExceededError, match="tile"):
            engine.decompress(Reader(data))


def test_a_picture_of_no_data_costs_little(engine: VqganCodec) -> None:
    """The largest tile, and the most tiles, that a few bytes can claim."""
    largest = packed(engine, ImageHeader(2048, 2048, False, None, 96, True), b"no", b"no")
    many = packed(engine, ImageHeader(16_384, 8_192, False, 64, 96, True), *[b"no"] * 65_536)
    for data, limit in ((largest, 64), (many, 40)):
        begin = time.process_time()
        with memory_below(limit * MIB), pytest.raises(BitstreamError):
            engine.decompress(Reader(data, Limits(max_header=MIB)))
        assert time.process_time() - begin < SECONDS


def test_a_huge_picture_without_its_tiles_is_refused(engine: VqganCodec) -> None:
    media = ImageHeader(65_535, 4_096, False, 1024, 0, True)
    for count in (1, 256, 511, 513):
        data = packed(engine, media, *[bytes(2)] * count)
        with memory_below(MIB), pytest.raises(BitstreamError, match="for 256 tiles"):
            engine.decompress(Reader(data))


def test_trimming_hostile_files_ends_the_same_way(
    engine: VqganCodec, vqgan: Codec, small: bytes
) -> None:
    for changed in flips(small, 3):
        with pytest.raises(BitstreamError):
            trim(Reader(changed), Target("size", 1000))
    media = ImageHeader(70, 60, False, None, 5, True)
    random = np.random.default_rng(0)
    for _ in range(20):
        data = packed(engine, media, random.bytes(20), random.bytes(20))
        with pytest.raises((BitstreamError, OptionError)):
            trim(Reader(data), Target("size", 50))
