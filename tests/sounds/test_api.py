"""Sounds through the public functions."""

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

import ncodec
from ncodec import api
from ncodec.codecs import registry
from ncodec.container import AudioHeader, Header, Limits, pack
from ncodec.errors import (
    CorruptFileError,
    InputError,
    LimitExceededError,
    NcodecWarning,
    OptionError,
)
from ncodec.media import Audio, LostSpan, load_audio, save_audio
from tests.sounds.mulaw_codec import MODEL_ID, NUMBER
from tests.sounds.sounds import tone


def decoded(blob: bytes, **options: object) -> Audio:
    sound = ncodec.decode(blob, device="cpu", **options)  # type: ignore[arg-type]
    assert isinstance(sound, Audio)
    return sound


def encoded(samples: object, rate: int = 16_000, **options: object) -> bytes:
    return ncodec.encode((samples, rate), device="cpu", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("samples", "rate", "channels"),
    [
        (0, 16_000, 1),
        (0, 44_100, 8),
        (1, 8_000, 1),
        (1, 96_000, 2),
        (7_999, 8_000, 2),
        (8_000, 8_000, 1),
        (8_001, 8_000, 3),
        (100_000, 96_000, 1),
        (3, 1, 8),
        (5, 768_000, 1),
    ],
)
def test_odd_sounds_come_back_as_they_were(samples: int, rate: int, channels: int) -> None:
    source = tone(samples, rate, channels)
    sound = decoded(encoded(source, rate, quality=100))
    assert sound.array.shape == (samples, channels)
    assert sound.array.dtype == np.float32
    assert (sound.sample_rate, sound.lost, sound.warnings) == (rate, (), ())
    assert np.allclose(sound.array, source, atol=0.025)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 500), st.integers(1, 200), st.integers(1, 8), st.integers(0, 100))
def test_every_length_rate_and_channel_count_survives(
    samples: int, rate: int, channels: int, quality: int
) -> None:
    blob = encoded(tone(samples, rate, channels), rate, quality=quality, verify=True)
    assert decoded(blob).array.shape == (samples, channels)
    info = ncodec.read_info(blob)
    assert isinstance(info, ncodec.AudioInfo)
    assert (info.samples, info.sample_rate, info.channels) == (samples, rate, channels)


@settings(deadline=None, max_examples=60)
@given(st.floats(0, 4.99), st.none() | st.floats(0.001, 9))
def test_a_span_is_the_same_stretch_of_the_whole(start: float, length: float | None) -> None:
    blob = encoded(tone(5_000, 1_000), 1_000)
    whole = decoded(blob).array
    stop = None if length is None else start + length
    part = decoded(blob, span=(start, stop))
    first, last = round(start * 1000), 5_000 if stop is None else min(round(stop * 1000), 5_000)
    assert np.array_equal(part.array, whole[first:last])


@pytest.mark.parametrize("span", [(5.0, None), (-1.0, None), (2.0, 2.0), (2.0, 1.0), (9.0, 10.0)])
def test_a_span_that_is_none_is_refused(span: tuple[float, float | None]) -> None:
    with pytest.raises(OptionError, match="5 seconds"):
        decoded(encoded(tone(5_000, 1_000), 1_000), span=span)


def test_kbps_and_size_are_ceilings_for_the_whole_file() -> None:
    source = tone(40_000)
    for kbps in (20, 50, 200):
        info = ncodec.read_info(encoded(source, kbps=kbps))
        assert isinstance(info, ncodec.AudioInfo)
        assert info.kbps <= kbps
        assert info.kbps == pytest.approx(8 * info.size / 2.5 / 1000)
    assert len(encoded(source, size=12_000)) <= 12_000
    with pytest.raises(OptionError, match="lowest"):
        encoded(source, kbps=1)


@pytest.mark.parametrize("kind", ["bpp", "psnr"])
def test_a_sound_has_no_picture_targets(kind: str) -> None:
    with pytest.raises(OptionError, match="sounds and takes quality, size or kbps"):
        encoded(tone(100), **{kind: 1})


def test_a_picture_has_no_kbps() -> None:
    with pytest.raises(OptionError, match="pictures and takes quality, bpp, size or psnr"):
        ncodec.encode(np.zeros((8, 8, 3), np.uint8), kbps=3)


def test_codecs_refuse_the_other_medium() -> None:
    with pytest.raises(OptionError, match="hyperprior is for pictures, not sounds"):
        encoded(tone(100), codec="hyperprior")
    with pytest.raises(OptionError, match="mulaw is for sounds, not pictures"):
        ncodec.encode(np.zeros((8, 8, 3), np.uint8), codec="mulaw")
    with pytest.raises(OptionError, match="mulaw is for sounds, not pictures"):
        ncodec.load_codec("mulaw", "cpu").encode(np.zeros((8, 8, 3), np.uint8))


def test_a_missing_codec_for_sounds_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.DEFAULTS, "audio", "gone")
    with pytest.raises(OptionError, match=r"gone, which is not installed; .*mulaw"):
        encoded(tone(100))


def test_regions_are_for_pictures_and_spans_for_sounds() -> None:
    with pytest.raises(OptionError, match="holds a sound"):
        decoded(encoded(tone(100)), region=(0, 0, 1, 1))


def test_a_file_whose_codec_is_for_the_other_medium_is_corrupt() -> None:
    blob = pack(Header(1, bytes(4), AudioHeader(9, 8_000, 1, 1)), [("L", b"payload")])
    for call in (ncodec.decode, ncodec.read_info):
        with pytest.raises(CorruptFileError, match="hyperprior is for pictures"):
            call(blob)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite_are_an_input_error(bad: float, tmp_path: Path) -> None:
    samples = tone(100)
    samples[57] = bad
    with pytest.raises(InputError, match="sample 57 is NaN or infinite"):
        encoded(samples)
    sound = Audio(tone(100), 8_000)
    sound.array[57] = bad
    save_audio(sound, tmp_path / "bad.wav", "wav/float")
    with pytest.raises(InputError, match=r"bad\.wav: sample 57 is NaN"):
        ncodec.encode(tmp_path / "bad.wav", device="cpu")


def test_trim_cuts_a_file_to_what_encoding_anew_would_give() -> None:
    source = tone(40_000)
    trimmed = ncodec.trim(encoded(source, quality=100), kbps=60)
    assert trimmed == encoded(source, kbps=60)
    assert ncodec.trim(io.BytesIO(trimmed), kbps=1e9) == trimmed


def test_trim_refuses_what_can_not_be() -> None:
    blob = encoded(tone(40_000))
    for kbps in (0, -1, float("nan")):
        with pytest.raises(OptionError, match="positive"):
            ncodec.trim(blob, kbps=kbps)
    with pytest.raises(OptionError, match="lowest"):
        ncodec.trim(blob, kbps=0.1)


def test_files_go_there_and_back_in_any_format(tmp_path: Path) -> None:
    save_audio(Audio(tone(20_000, 8_000, 2), 8_000), tmp_path / "a.flac")
    codec = ncodec.load_codec("mulaw", "cpu")
    codec.encode_file(tmp_path / "a.flac", tmp_path / "a.ncd", quality=100)
    for name in ("b.wav", "b.ogg", "b.aiff"):
        codec.decode_file(tmp_path / "a.ncd", tmp_path / name)
        assert load_audio(tmp_path / name).array.shape == (20_000, 2)
    codec.decode_file(tmp_path / "a.ncd", tmp_path / "c.wav", span=(0.5, 1.5))
    exact = decoded((tmp_path / "a.ncd").read_bytes(), span=(0.5, 1.5)).array
    assert np.abs(load_audio(tmp_path / "c.wav").array - exact).max() <= 2**-16


def test_a_path_and_its_samples_encode_to_the_same(tmp_path: Path) -> None:
    save_audio(Audio(tone(20_000), 16_000), tmp_path / "a.wav", "wav/float")
    assert ncodec.encode(str(tmp_path / "a.wav"), device="cpu") == encoded(tone(20_000))


def test_integers_have_the_full_scale_of_their_type() -> None:
    ramp = np.linspace(-1, 1, 1000, endpoint=False)
    for scaled in (
        (ramp * 2**15).astype(np.int16),
        (ramp * 2**31).astype(np.int32),
        (ramp * 128 + 128).astype(np.uint8),
    ):
        assert np.allclose(decoded(encoded(scaled, quality=100)).array[:, 0], ramp, atol=0.03)


def test_a_name_that_no_file_can_have_is_an_input_error() -> None:
    with pytest.raises(InputError, match="cannot be read"):
        ncodec.decode("\0")


def test_tags_are_left_out_with_a_warning(tmp_path: Path) -> None:
    sound = Audio(tone(100), 8_000, {"title": "one"})
    with pytest.warns(NcodecWarning, match="title") as caught:
        blob = ncodec.encode(sound, device="cpu")
    assert caught[0].filename == __file__  # The line of the caller, not one of ncodec's.
    assert ncodec.encode(sound, strip=True, device="cpu") == blob
    with soundfile.SoundFile(tmp_path / "named.flac", "w", 8_000, 1) as file:
        file.title = "one"
        file.write(sound.array)
    with pytest.warns(NcodecWarning, match="title") as caught:
        ncodec.load_codec("mulaw", "cpu").encode_file(tmp_path / "named.flac", tmp_path / "a.ncd")
    assert caught[0].filename == __file__


def test_a_partial_decode_names_the_seconds_that_are_gone() -> None:
    blob = encoded(tone(5_000, 1_000), 1_000)
    at = blob.index(b"", len(blob) - 2_000)
    damaged = blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1 :]
    with pytest.raises(CorruptFileError):
        decoded(damaged)
    sound = decoded(damaged, partial=True)
    (lost,) = sound.lost
    assert lost == LostSpan(float(int(lost.start)), lost.start + 1)
    whole = decoded(blob).array
    differing = np.flatnonzero((sound.array != whole).any(axis=1))
    assert 1000 * lost.start <= differing.min() <= differing.max() < 1000 * lost.stop


def test_a_sound_too_large_for_one_array_is_refused_unless_cut() -> None:
    media = AudioHeader(2**31, 768_000, 8, 1)
    blob = pack(Header(NUMBER, MODEL_ID[:4], media), [("L", b"\0")])
    with pytest.raises(LimitExceededError, match="decode_file"):
        ncodec.decode(blob)
    with pytest.raises(LimitExceededError, match="max_samples"):
        ncodec.decode(blob, limits=Limits(max_samples=2**30))


def test_info_counts_every_byte() -> None:
    blob = encoded(tone(5_000, 1_000), 1_000)
    info = api.read_info(blob)
    assert isinstance(info, ncodec.AudioInfo)
    assert (info.codec, info.media, info.chunks, info.seconds) == ("mulaw", "audio", 5, 5.0)
    assert info.size == len(blob) == info.payload + info.metadata + info.overhead
    assert info.overhead <= 48
    silent = ncodec.read_info(encoded(np.zeros(0, np.float32)))
    assert isinstance(silent, ncodec.AudioInfo)
    assert (silent.kbps, silent.seconds) == (0, 0)
    assert silent.overhead <= 24
