"""Whatever the bytes of a sound's file: an error from our tree, or the right samples."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ncodec
from ncodec.container import AudioHeader, Header, Reader, pack
from ncodec.errors import BitstreamError, NcodecError
from ncodec.media import Audio
from tests.container.craft import leb128, seal
from tests.sounds.mulaw_codec import MODEL_ID, NUMBER
from tests.sounds.sounds import tone

SHORT, LONG = (tone(12, 8), 8), (tone(90, 40, 2), 40)


@pytest.fixture(scope="module")
def files() -> list[bytes]:
    """A sound in one chunk, and one in three."""
    return [ncodec.encode(sound, quality=30, device="cpu") for sound in (SHORT, LONG)]


def attempt(data: bytes, partial: bool = False) -> Audio | None:
    try:
        sound = ncodec.decode(data, partial=partial, device="cpu")
    except BitstreamError:
        return None
    except NcodecError:  # A changed codec number or model.
        return None
    return sound if isinstance(sound, Audio) else None


def test_every_truncation_is_an_error(files: list[bytes]) -> None:
    for data in files:
        for size in range(len(data)):
            with pytest.raises(BitstreamError):
                ncodec.decode(data[:size], device="cpu")


def test_every_flipped_bit_is_an_error(files: list[bytes]) -> None:
    for data in files:
        for bit in range(8 * len(data)):
            flipped = bytearray(data)
            flipped[bit // 8] ^= 1 << bit % 8
            with pytest.raises(BitstreamError):
                ncodec.decode(bytes(flipped), device="cpu")


def test_partial_never_fails_in_another_way(files: list[bytes]) -> None:
    whole = ncodec.decode(files[1], device="cpu").array
    for size in range(len(files[1])):
        sound = attempt(files[1][:size], partial=True)
        if sound is not None:
            assert sound.lost
            gone = np.zeros(90, bool)
            for lost in sound.lost:
                gone[round(40 * lost.start) : round(40 * lost.stop)] = True
            assert np.array_equal(sound.array[~gone], whole[~gone])


def test_changed_headers_with_right_checksums_end_in_an_error_or_a_sound(
    files: list[bytes],
) -> None:
    for data in files:
        start = Reader(data).chunks[0].offset
        for position in range(4, start - 2):
            for value in range(position % 3, 256, 3):
                head = data[:position] + bytes([value]) + data[position + 1 : start - 2]
                attempt(seal(head) + data[start:], partial=value % 2 == 0)


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=60), st.integers(0, 2**31), st.integers(1, 768_000), st.integers(1, 8))
def test_claims_of_small_files_take_little_memory(
    payload: bytes, samples: int, rate: int, channels: int
) -> None:
    media = AudioHeader(samples, rate, channels, 3)
    data = pack(Header(NUMBER, MODEL_ID[:4], media), [("L", payload)])
    tracemalloc.start()
    try:
        attempt(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2**22


@settings(deadline=None)
@given(st.binary(max_size=80))
def test_random_bytes_after_a_sounds_start_end_in_an_error(data: bytes) -> None:
    assert attempt(b"\x89N\r\n\x13" + leb128(NUMBER) + MODEL_ID[:4] + data) is None
