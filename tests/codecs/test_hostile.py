"""Whatever the bytes: a `BitstreamError` or a picture, soon and in little memory."""

import tracemalloc
import zlib
from binascii import crc_hqx
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ncodec
from ncodec.api import Codec, load_codec
from ncodec.codecs.hyperprior import HyperpriorCodec
from ncodec.codecs.hyperprior_latents import LatentCoder
from ncodec.codecs.picture_file import decode_alpha, encode_alpha
from ncodec.codecs.rate_steps import RATE_STEPS
from ncodec.codecs.tile_decoding import DecodeJob
from ncodec.container import Header, ImageHeader, Limits, Reader, pack
from ncodec.entropy import Decoder
from ncodec.errors import (
    BitstreamError,
    CorruptFileError,
    EntropyDesyncError,
    LimitExceededError,
    ModelMismatchError,
    TruncatedError,
    UnsupportedFeatureError,
)
from ncodec.media import Image

from .pictures import picture

MIB = 2**20


@pytest.fixture(scope="module")
def small(codec: Codec) -> bytes:
    """A file of one tile, without a directory."""
    blob = codec.encode(picture(48, 40), quality=35)
    assert 50 < len(blob) < 400
    return blob


@pytest.fixture(scope="module")
def rich(codec: Codec) -> bytes:
    """A file with a directory: grey, alpha and metadata."""
    source = Image(picture(32, 24, 2), ncodec.Metadata(icc=b"profile" * 5))
    return codec.encode(source, quality=20)


def decoded(engine: HyperpriorCodec, data: bytes) -> Image | None:
    """The picture, or None for a `BitstreamError`; everything else is a failure."""
    try:
        reader = Reader(data)
        image = engine.decompress(reader)
    except BitstreamError:
        return None
    media = reader.picture
    assert image.array.shape[:2] == (media.height, media.width)
    return image


def sealed(head: bytes, payload: bytes) -> bytes:
    """A file without a directory whose checksums are right."""
    crc = zlib.crc32(payload).to_bytes(4, "little")
    return head + crc_hqx(head, 0xFFFF).to_bytes(2, "little") + payload + crc


def parts(data: bytes) -> tuple[bytes, bytes]:
    """Header without its checksum and payload, of a file without a directory."""
    offset = Reader(data).chunks[0].offset
    return data[: offset - 2], data[offset:-4]


def flips(data: bytes, step: int = 1) -> Iterator[bytes]:
    """`data` with one bit changed, every `step`-th of them."""
    for bit in range(0, 8 * len(data), step):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        yield bytes(changed)


@contextmanager
def memory_below(limit: int) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < limit
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["small", "rich"])
def test_every_truncation_is_an_error(
    engine: HyperpriorCodec, name: str, request: pytest.FixtureRequest
) -> None:
    data = request.getfixturevalue(name)
    for length in range(len(data)):
        assert decoded(engine, data[:length]) is None


def test_every_bit_flip_is_an_error(engine: HyperpriorCodec, small: bytes) -> None:
    for changed in flips(small):
        assert decoded(engine, changed) is None


def test_a_bit_flip_in_a_rich_file_leaves_the_pixels_or_is_an_error(
    engine: HyperpriorCodec, rich: bytes
) -> None:
    original = engine.decompress(Reader(rich))
    survivors = [image for changed in flips(rich) if (image := decoded(engine, changed))]
    assert survivors  # Those with damaged metadata.
    for image in survivors:
        np.testing.assert_array_equal(image.array, original.array)
        assert image.metadata.icc is None
        assert image.warnings


def test_changed_headers_with_right_checksums(engine: HyperpriorCodec, small: bytes) -> None:
    head, payload = parts(small)
    assert sealed(head, payload) == small
    for changed in flips(head):
        decoded(engine, sealed(changed, payload))


def test_changed_payloads_with_right_checksums_are_seen_by_the_digest(
    engine: HyperpriorCodec, small: bytes
) -> None:
    head, payload = parts(small)
    images = [decoded(engine, sealed(head, changed)) for changed in flips(payload, 7)]
    # A digest of 16 bits misses one change in 65,536.
    assert sum(image is not None for image in images) <= 1


def test_swapped_payload_is_a_desync(engine: HyperpriorCodec, codec: Codec, small: bytes) -> None:
    head, payload = parts(small)
    other = parts(codec.encode(picture(48, 40, seed=1), quality=36))[1]
    assert decoded(engine, sealed(head, other)) is None
    with pytest.raises(EntropyDesyncError):
        engine.decompress(Reader(sealed(head, payload[:-1] + bytes([payload[-1] ^ 1]))))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.integers(0, RATE_STEPS - 1), st.integers(1, 40))
def test_random_payloads_with_right_checksums(payload: bytes, step: int, width: int) -> None:
    engine = hyperprior_codec()
    head = header(engine, ImageHeader(width, 17, False, None, step))
    assert decoded(engine, sealed(head, payload)) is None


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 2**32 - 1) | st.sampled_from([0, 1, 2**32 - 1]), max_size=40),
    st.sampled_from([0, 1, 50, 399, 400, 799, 800]) | st.integers(0, RATE_STEPS - 1),
    st.booleans(),
)
def test_random_symbols_with_the_right_digest_make_a_picture(
    words: list[int], step: int, grey: bool
) -> None:
    engine = hyperprior_codec()
    data = np.array(words, "<u4").tobytes()
    digest = digest_of(engine.latents, data + bytes(2), step)
    head = header(engine, ImageHeader(20, 17, grey, None, step))
    image = decoded(engine, sealed(head, data + digest))
    assert image is None or image.array.shape == ((17, 20) if grey else (17, 20, 3))


def hyperprior_codec() -> HyperpriorCodec:
    """The loaded codec; fixtures and hypothesis do not mix."""
    found = load_codec("hyperprior", "cpu")._encoders["image"]
    assert isinstance(found, HyperpriorCodec)
    return found


def header(engine: HyperpriorCodec, media: ImageHeader) -> bytes:
    return parts(pack(Header(1, engine.model_id, media), [("L", b"--")]))[0]


def digest_of(latents: LatentCoder, payload: bytes, step: int) -> bytes:
    """What the digest of a payload for 20 x 17 pixels must be; zeros if it cannot be decoded."""
    try:
        decoder = Decoder(payload)
        latents._read(decoder, 2, 2, step)
    except CorruptFileError:
        return bytes(2)
    return (decoder._crc & 0xFFFF).to_bytes(2, "little")


def test_the_crafted_digest_is_the_encoders(engine: HyperpriorCodec, codec: Codec) -> None:
    payload = parts(codec.encode(picture(20, 17), quality=50))[1]
    assert digest_of(engine.latents, payload, 400) == payload[-2:]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80) | st.binary(max_size=60).map(lambda b: b"\x89N\r\n\x10\x01" + b))
def test_random_bytes(data: bytes) -> None:
    with pytest.raises(BitstreamError):
        ncodec.decode(data, device="cpu")


def test_files_of_other_models_codecs_and_rates(codec: Codec, small: bytes) -> None:
    head, payload = parts(small)
    with pytest.raises(ModelMismatchError, match="00000000"):
        codec.decode(sealed(head[:6] + bytes(4) + head[10:], payload))
    with pytest.raises(UnsupportedFeatureError, match="codec number 99"):
        codec.decode(sealed(head[:5] + b"\x63" + head[6:], payload))
    media = ImageHeader(48, 40, False, None, RATE_STEPS)
    with pytest.raises(CorruptFileError, match="rate step 801"):
        codec.decode(pack(Header(1, head[6:10], media), [("L", payload)]))


@pytest.mark.parametrize("side", [None, 2**12, 2**20])
def test_a_huge_tile_is_refused_before_memory_is_taken(
    engine: HyperpriorCodec, side: int | None
) -> None:
    for width, height in ((16_000, 16_000), (65_535, 4_000)):
        tiles = 1 if side is None else -(-width // side) * -(-height // side)
        media = ImageHeader(width, height, False, side, 0)
        data = pack(Header(1, engine.model_id, media), [("L", bytes(2))] * tiles)
        with memory_below(MIB), pytest.raises(LimitExceededError, match="tile"):
            engine.decompress(Reader(data))
        with memory_below(MIB), pytest.raises(LimitExceededError, match="tile"):
            engine.check(Reader(data))


def test_a_huge_picture_without_its_tiles_is_refused(engine: HyperpriorCodec) -> None:
    media = ImageHeader(65_535, 4_096, False, 1024, 0)
    for count in (1, 255, 257):
        data = pack(Header(1, engine.model_id, media), [("L", bytes(2))] * count)
        with (
            memory_below(MIB),
            pytest.raises((TruncatedError, CorruptFileError), match="for 256 tiles"),
        ):
            engine.decompress(Reader(data))


def test_a_huge_picture_of_false_tiles_takes_little_memory(engine: HyperpriorCodec) -> None:
    media = ImageHeader(65_535, 4_096, False, 64, 0)
    data = pack(Header(1, engine.model_id, media), [("L", b"no")] * 65_536)
    reader = Reader(data, Limits(max_header=MIB))
    with memory_below(30 * MIB), pytest.raises(BitstreamError):
        engine.decompress(reader)


def test_limits_reach_the_decoder(codec: Codec, small: bytes) -> None:
    with pytest.raises(LimitExceededError, match="max_pixels"):
        codec.decode(small, limits=Limits(max_pixels=1000))


def test_alpha_that_unpacks_to_more_than_the_picture_is_refused() -> None:
    bomb = zlib.compress(bytes(50 * MIB))
    with memory_below(2 * MIB), pytest.raises(CorruptFileError):
        decode_alpha(bomb, 100, 100)


@given(st.binary(max_size=60))
def test_random_alpha_is_an_error_or_a_plane(data: bytes) -> None:
    try:
        plane = decode_alpha(data, 3, 2)
    except CorruptFileError:
        return
    assert plane.shape == (2, 3)


def test_alpha_of_the_wrong_length_is_refused() -> None:
    packed = encode_alpha(picture(9, 7, 1))
    np.testing.assert_array_equal(decode_alpha(packed, 9, 7), picture(9, 7, 1))
    for width, height in ((9, 6), (9, 8), (8, 7)):
        with pytest.raises(CorruptFileError):
            decode_alpha(packed, width, height)
    with pytest.raises(CorruptFileError):
        decode_alpha(packed + b"x", 9, 7)


def test_metadata_bombs_are_left_out(engine: HyperpriorCodec, small: bytes) -> None:
    head, payload = parts(small)
    media = Reader(small).picture
    chunks = [("i", zlib.compress(bytes(100 * MIB))), ("x", b"no zlib"), ("L", payload)]
    data = pack(Header(1, head[6:10], media), chunks)
    with memory_below(60 * MIB):
        image = engine.decompress(Reader(data))
    assert image.metadata == ncodec.Metadata()
    assert len(image.warnings) == 2
    np.testing.assert_array_equal(image.array, engine.decompress(Reader(small)).array)


def test_unknown_chunks_that_may_be_ignored_are(engine: HyperpriorCodec, small: bytes) -> None:
    head, payload = parts(small)
    media = Reader(small).picture
    data = pack(Header(1, head[6:10], media), [("q", b"later"), ("L", payload)])
    np.testing.assert_array_equal(
        engine.decompress(Reader(data)).array, engine.decompress(Reader(small)).array
    )


def test_two_alpha_planes_are_refused(engine: HyperpriorCodec, small: bytes) -> None:
    head, payload = parts(small)
    plane = encode_alpha(np.zeros((40, 48), np.uint8))
    chunks = [("A", plane), ("A", plane), ("L", payload)]
    data = pack(Header(1, head[6:10], Reader(small).picture), chunks)
    with pytest.raises(CorruptFileError, match="alpha"):
        engine.decompress(Reader(data))


def test_the_encoders_own_tiles_are_far_below_the_largest(engine: HyperpriorCodec) -> None:
    from ncodec.codecs.tile_decoding import MAX_TILE_PIXELS
    from ncodec.codecs.tiled_picture import TILE

    media = ImageHeader(TILE, TILE, False, None, 0)
    data = pack(Header(1, engine.model_id, media), [("L", bytes(2))])
    assert len(DecodeJob(engine, Reader(data), partial=False).grid) == 1
    assert 4 * TILE**2 <= MAX_TILE_PIXELS
