"""Streams of packets, with untrained networks: cut anywhere, lose anything, start anew."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncodec import streaming
from ncodec.codecs.base import Target
from ncodec.codecs.grvq import GrvqCodec
from ncodec.codecs.grvq_codes import CodeReader
from ncodec.codecs.grvq_counts import ANY
from ncodec.codecs.grvq_layout import DELAY, Plan
from ncodec.codecs.grvq_stream import STREAM_DELAY, StreamDecoder, StreamEncoder
from ncodec.container import Reader
from ncodec.errors import InputError, OptionError
from ncodec.media import Audio

from .sounds import Samples, samples


def voice(count: int, seed: int = 0) -> Samples:
    return samples(count, seed=seed)[:, 0]


def packets(data: bytes) -> list[bytes]:
    found = []
    while data:
        size = 1 + data[0]
        found.append(data[:size])
        data = data[size:]
    return found


@pytest.fixture(scope="module")
def stream(sounds: GrvqCodec) -> bytes:
    encoder = StreamEncoder(sounds, kbps=3)
    return encoder.push(voice(16_000)) + encoder.finish()


@pytest.fixture(scope="module")
def played(sounds: GrvqCodec, stream: bytes) -> Samples:
    return StreamDecoder(sounds).push(stream)


@pytest.mark.parametrize("piece", [1, 160, 639, 640, 641, 5000])
def test_pieces_of_any_size_give_the_same_packets(
    sounds: GrvqCodec, stream: bytes, piece: int
) -> None:
    sound, encoder = voice(16_000), StreamEncoder(sounds, kbps=3)
    length = 16_000 if piece > 1 else 2000
    found = [encoder.push(sound[at : min(at + piece, length)]) for at in range(0, length, piece)]
    assert stream.startswith(b"".join(found))
    if piece > 1:
        assert b"".join(found) + encoder.finish() == stream


def test_a_packet_comes_every_forty_milliseconds(sounds: GrvqCodec) -> None:
    encoder, sound = StreamEncoder(sounds), voice(6400)
    for at in range(0, 6400, 320):
        found = encoder.push(sound[at : at + 320])
        assert len(packets(found)) == (1 if at % 640 else 0)


def test_the_delay_is_below_a_tenth_of_a_second(sounds: GrvqCodec) -> None:
    """What comes out is late by the networks' delay; a packet waits for its own samples."""
    assert streaming.STREAM_DELAY == STREAM_DELAY == 640 + DELAY
    assert STREAM_DELAY < 0.1 * streaming.SAMPLE_RATE
    encoder, decoder = StreamEncoder(sounds), StreamDecoder(sounds)
    given, gave = 0, 0
    for at in range(0, 9600, 160):
        gave += len(decoder.push(encoder.push(voice(9600)[at : at + 160])))
        given += 160
        assert given - gave < 640


def test_streams_have_the_indices_of_files(sounds: GrvqCodec) -> None:
    sound = Audio(samples(24_000), 16_000)
    data = sounds.compress(sound, Target("quality", 100)).data
    plan = Plan.of(Reader(data).sound)
    codes = CodeReader(sounds.coder, Reader(data)).read(0)
    encoder = StreamEncoder(sounds, kbps=64, gain_db=plan.gain_db)
    for number, packet in enumerate(packets(encoder.push(sound.array[:16_000, 0]))):
        found = sounds.coder.decode(packet[1:], 1, 2, ANY)
        np.testing.assert_array_equal(
            found.indices[0], codes.indices[0, 2 * number : 2 * number + 2]
        )


def test_streams_sound_like_files(sounds: GrvqCodec) -> None:
    sound = Audio(samples(24_000), 16_000)
    data = sounds.compress(sound, Target("quality", 100)).data
    gain = Plan.of(Reader(data).sound).gain_db
    encoder = StreamEncoder(sounds, kbps=64, gain_db=gain)
    stream = encoder.push(sound.array[:, 0]) + encoder.finish()
    found = StreamDecoder(sounds, gain_db=gain).push(stream)[DELAY:]
    expected = sounds.decompress(Reader(data)).array[:, 0]
    assert len(found) >= len(expected)
    np.testing.assert_allclose(found[: len(expected)], expected, atol=1e-4)


@pytest.mark.parametrize("piece", [1, 7, 300])
def test_bytes_may_come_in_pieces_of_any_size(
    sounds: GrvqCodec, stream: bytes, played: Samples, piece: int
) -> None:
    decoder = StreamDecoder(sounds)
    found = [decoder.push(stream[at : at + piece]) for at in range(0, len(stream), piece)]
    np.testing.assert_array_equal(np.concatenate(found), played)
    assert decoder.lost == 0


@pytest.mark.parametrize("before", [0, 1, 700, 6000])
def test_after_a_reset_nothing_of_before_is_left(
    sounds: GrvqCodec, stream: bytes, played: Samples, before: int
) -> None:
    encoder, decoder = StreamEncoder(sounds, kbps=3), StreamDecoder(sounds)
    decoder.push(encoder.push(voice(before, seed=3)))
    decoder.push(None)
    decoder.push(b"\x09half")
    encoder.reset()
    decoder.reset()
    again = encoder.push(voice(16_000)) + encoder.finish()
    assert again == stream
    np.testing.assert_array_equal(decoder.push(again), played)
    assert encoder.push(voice(16_000)) + encoder.finish() == stream  # `finish` resets too.


@pytest.mark.parametrize("kbps", [1.2, 2.0, 4.0])
def test_the_rate_is_a_ceiling(sounds: GrvqCodec, kbps: float) -> None:
    found = packets(StreamEncoder(sounds, kbps).push(voice(32_000)))
    assert 0.85 * kbps <= 8 * sum(map(len, found)) / 2000 <= kbps + 0.01
    for at in range(len(found) - 12):
        window = 8 * sum(map(len, found[at : at + 12]))
        assert window <= (12 + 6) * kbps * 40


def test_rates_that_leave_no_room_are_refused(sounds: GrvqCodec) -> None:
    for kbps in (0.0, 1.0, -3.0, float("nan"), float("inf")):
        with pytest.raises(OptionError, match=r"streams start at 1\.1"):
            StreamEncoder(sounds, kbps)


def test_silence_is_three_bytes_and_zeros(sounds: GrvqCodec) -> None:
    encoder, decoder = StreamEncoder(sounds), StreamDecoder(sounds)
    decoder.push(encoder.push(voice(6400)))
    found = packets(encoder.push(np.zeros(9600, np.float32)))
    assert all(len(packet) <= 3 for packet in found[3:])
    silent = [decoder.push(packet) for packet in found]
    assert not np.concatenate(silent[4:]).any()


def test_a_lost_packet_costs_its_own_time_and_a_little(
    sounds: GrvqCodec, stream: bytes, played: Samples
) -> None:
    decoder = StreamDecoder(sounds)
    pieces = packets(stream)
    found = [decoder.push(None if n == 5 else packet) for n, packet in enumerate(pieces)]
    assert decoder.lost == 1
    assert [len(piece) for piece in found] == [640] * len(pieces)
    whole = np.concatenate(found)
    np.testing.assert_array_equal(whole[: 5 * 640], played[: 5 * 640])
    assert np.abs(whole - played)[5 * 640 : 8 * 640].max() > 1e-3
    assert np.isfinite(whole).all()


def test_long_losses_fade_to_silence(sounds: GrvqCodec, stream: bytes) -> None:
    decoder = StreamDecoder(sounds)
    decoder.push(stream)
    gap = np.concatenate([decoder.push(None) for _ in range(30)])
    assert not gap[12 * 640 :].any()
    assert decoder.push(packets(stream)[3]).any()


def test_a_damaged_packet_is_as_good_as_lost(sounds: GrvqCodec, stream: bytes) -> None:
    pieces = packets(stream)
    broken, reported = StreamDecoder(sounds), StreamDecoder(sounds)
    changed = pieces[4][:1] + bytes(len(pieces[4]) - 1)
    for n, packet in enumerate(pieces[:8]):
        a = broken.push(changed if n == 4 else packet)
        b = reported.push(None if n == 4 else packet)
        np.testing.assert_array_equal(a, b)
    assert broken.lost == reported.lost == 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=50) | st.none(), max_size=5))
def test_any_bytes_give_samples(data: list[bytes | None]) -> None:
    decoder = StreamDecoder(CODEC[0])
    for piece in data:
        found = decoder.push(piece)
        assert len(found) % 640 == 0
        assert np.isfinite(found).all()


CODEC: list[GrvqCodec] = []


@pytest.fixture(scope="module", autouse=True)
def _keep(sounds: GrvqCodec) -> None:
    """Fixtures and hypothesis do not mix."""
    CODEC.append(sounds)


def test_what_is_no_samples_is_refused(sounds: GrvqCodec) -> None:
    encoder = StreamEncoder(sounds)
    nan = np.array([0, np.nan], np.float32)
    for wrong in (np.zeros(5), np.zeros((5, 1), np.float32), nan, [0.0] * 5, None):
        with pytest.raises(InputError):
            encoder.push(wrong)  # type: ignore[arg-type]


def test_the_public_streams_use_the_codec_of_the_registry(
    sounds: GrvqCodec, registered: None, stream: bytes, played: Samples
) -> None:
    encoder = streaming.open_encoder(kbps=3, device="cpu")
    assert encoder.push(voice(16_000)) + encoder.finish() == stream
    np.testing.assert_array_equal(streaming.open_decoder(device="cpu").push(stream), played)
