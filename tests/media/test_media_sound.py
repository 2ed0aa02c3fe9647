"""Sounds from and to ordinary files, arrays and tensors."""

import io
import tracemalloc
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ncodec.container import MAGIC, Limits
from ncodec.errors import InputError, LimitExceededError, OptionError, OutputError
from ncodec.media import (
    Audio,
    SoundWriter,
    as_audio,
    load_audio,
    load_media,
    medium,
    open_media,
    open_sound,
    save_audio,
    sound_format,
    unkept,
)
from tests.sounds.sounds import tone


def saved(audio: Audio, format: str) -> bytes:
    file = io.BytesIO()
    save_audio(audio, file, format)
    return file.getvalue()


def every_level(bits: int) -> NDArray[np.float32]:
    """All levels of so many bits, or some of 24."""
    top = 2 ** (bits - 1)
    levels = np.arange(-top, top, max(1, 2 * top // 70_000))
    array: NDArray[np.float32] = (levels[:, None] / top).astype(np.float32)
    return array


@pytest.mark.parametrize(
    ("format", "bits"),
    [("wav", 16), ("wav/24", 24), ("wav/pcm_u8", 8), ("flac", 16), ("flac/24", 24), ("aiff", 16)],
)
def test_every_level_of_an_integer_format_survives(format: str, bits: int) -> None:
    levels = every_level(bits)
    assert np.array_equal(load_audio(saved(Audio(levels, 8_000), format)).array, levels)


@pytest.mark.parametrize("format", ["wav/float", "wav/double", "w64/float", "au/float"])
def test_formats_of_floats_keep_what_is_beyond_full_scale(format: str) -> None:
    sound = Audio(3 * tone(1_000), 8_000)
    file = io.BytesIO()
    assert save_audio(sound, file, format) == ()
    assert np.array_equal(load_audio(file).array, sound.array)


@pytest.mark.parametrize("format", ["wav", "flac", "ogg", "mp3"])
def test_other_formats_clip_and_say_so(format: str) -> None:
    loud = np.array([[0.5], [1.5], [-2], [1], [-1]], np.float32).repeat(500, 0)
    file = io.BytesIO()
    (warning,) = save_audio(Audio(loud, 16_000), file, format)
    assert warning == "1000 samples beyond full scale were clipped"
    if format in ("wav", "flac"):
        assert np.abs(load_audio(file).array - np.clip(loud, -1, 1)).max() <= 2**-15


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3", "aiff", "au", "caf", "rf64"])
@pytest.mark.parametrize("channels", [1, 2])
def test_sounds_of_each_format_are_read_as_they_are(
    suffix: str, channels: int, tmp_path: Path
) -> None:
    source = tone(50_000, 44_100, channels)
    path = tmp_path / f"a.{suffix}"
    save_audio(Audio(source, 44_100), path)
    sound = load_audio(path)
    assert (sound.samples, sound.channels, sound.sample_rate) == (50_000, channels, 44_100)
    assert np.sqrt(np.mean((sound.array - source) ** 2)) < 0.05
    with path.open("rb") as file:
        assert medium(load_media(file, Limits())) == "audio"


def test_more_than_half_a_minute_is_written_as_vorbis_in_one_call() -> None:
    sound = Audio(tone(40 * 48_000, 48_000), 48_000)
    assert load_audio(saved(sound, "ogg")).samples == sound.samples


@pytest.mark.parametrize("format", ["wav", "ogg", "au", "caf"])
def test_no_samples_are_a_sound(format: str) -> None:
    sound = load_audio(saved(Audio(tone(0, channels=2), 8_000), format))
    assert (sound.array.shape, sound.sample_rate, sound.seconds) == ((0, 2), 8_000, 0)


def test_eight_channels_are_kept_and_nine_refused() -> None:
    wide = tone(100, channels=8)
    assert load_audio(saved(Audio(wide, 96_000), "wav")).channels == 8
    file = io.BytesIO()
    soundfile.write(file, tone(100, channels=9), 8_000, format="WAV")
    with pytest.raises(InputError, match="9 channels; 1 to 8 can be"):
        load_audio(file)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 3_000), st.integers(1, 8), st.integers(1, 4_000))
def test_blocks_are_the_whole_again_and_can_be_read_again(
    samples: int, channels: int, count: int
) -> None:
    sound = Audio(tone(samples, 8_000, channels), 8_000)
    with open_sound(saved(sound, "wav/float")) as source:
        for one in (sound, source, source):
            blocks = list(one.blocks(count))
            assert [len(block) for block in blocks[:-1]] == [count] * (len(blocks) - 1)
            whole = np.concatenate([np.zeros((0, channels), np.float32), *blocks])
            assert np.array_equal(whole, sound.array)


def test_a_long_file_is_read_and_written_in_little_memory(tmp_path: Path) -> None:
    second = tone(48_000, 48_000, 2)
    tracemalloc.start()
    try:
        with (
            (tmp_path / "a.wav").open("wb") as file,
            SoundWriter(file, "WAV/PCM_16", 48_000, 2) as writer,
        ):
            for _ in range(60):
                writer.write(second)
        with open_sound(tmp_path / "a.wav") as source:
            assert sum(len(block) for block in source.blocks(48_000)) == 60 * 48_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2**22


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b"nothing known", "can't be read as a sound"),
        (MAGIC + b"\x13", "decode it first"),
        (b"RIFF\x24\0\0\0WAVEjunk", "can't be read as a sound"),
    ],
)
def test_what_is_no_sound_is_an_input_error(data: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(data)
    with pytest.raises(InputError, match=said):
        load_audio(tmp_path / "a.wav")
    with pytest.raises(InputError, match=said):
        load_audio(data)


@pytest.mark.parametrize("format", ["flac", "mp3"])
def test_a_cut_file_is_an_input_error(format: str) -> None:
    data = saved(Audio(tone(160_000), 16_000), format)
    with pytest.raises(InputError, match=r"can't be decoded|ends after \d+ of 160000"):
        load_audio(data[: len(data) // 2])


def test_a_missing_file_and_a_folder_are_input_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_audio(tmp_path / "missing.wav")
    with pytest.raises(InputError, match="is a folder, not a sound"):
        load_audio(tmp_path)
    with pytest.raises(InputError, match="path, bytes or file"):
        load_audio(cast(bytes, 7))


def test_limits_hold_before_samples_are_read() -> None:
    data = saved(Audio(tone(1_000), 16_000), "wav")
    for limits in (Limits(max_samples=999), Limits(max_sample_rate=15_999)):
        with pytest.raises(LimitExceededError, match="Raise the limits"):
            load_audio(data, limits)


class Broken(io.BytesIO):
    """A file on a disk that fails after some bytes."""

    def read(self, count: int | None = -1, /) -> bytes:
        if self.tell() > 20_000:
            raise OSError(5, "Input/output error")
        return super().read(count)

    def write(self, data: object, /) -> int:
        if self.tell() > 20_000:
            raise OSError(28, "No space left on device")
        return super().write(cast(bytes, data))


def test_errors_of_the_disk_come_through(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="Input/output error"):
        load_audio(Broken(saved(Audio(tone(50_000), 16_000), "wav")))
    with pytest.raises(OutputError, match="No space left on device"):
        save_audio(Audio(tone(50_000), 16_000), Broken(), "wav")
    assert capfd.readouterr().err == ""


def test_what_a_format_cannot_hold_is_an_output_error() -> None:
    with pytest.raises(OutputError, match="2 channels at 44100 Hz: Opus only supports"):
        save_audio(Audio(tone(10, channels=2), 44_100), io.BytesIO(), "opus")
    with pytest.raises(OutputError, match="8 channels"):
        save_audio(Audio(tone(10, channels=8), 44_100), io.BytesIO(), "mp3")


def test_a_wav_file_never_grows_past_what_its_header_can_say() -> None:
    with SoundWriter(io.BytesIO(), "WAV/PCM_16", 8_000, 1) as writer:
        writer._samples = 2**31
        with pytest.raises(OutputError, match="4 GiB"):
            writer.write(tone(1))


@pytest.mark.parametrize(
    ("target", "format", "kind"),
    [
        ("a.WAV", None, "WAV/PCM_16"),
        ("a.oga", None, "OGG/VORBIS"),
        ("a.opus", None, "OGG/OPUS"),
        (None, "flac/24", "FLAC/PCM_24"),
        ("a.xyz", ".w64", "W64/PCM_16"),
    ],
)
def test_formats_go_by_suffix_or_name(target: str | None, format: str | None, kind: str) -> None:
    assert sound_format(target, format) == kind


@pytest.mark.parametrize("format", ["xyz", "png", "raw", "", "flac/float", "ogg/16", "wav/"])
def test_other_formats_are_refused(format: str) -> None:
    if format == "wav/":
        assert sound_format(None, format) == "WAV/PCM_16"
        return
    with pytest.raises(OptionError):
        sound_format(None, format)


def test_saving_to_nowhere_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="No such file"):
        save_audio(Audio(tone(1), 8_000), tmp_path / "no" / "a.wav")
    with pytest.raises(OptionError, match="path or binary file"):
        save_audio(Audio(tone(1), 8_000), cast(Path, 7), "wav")


def test_tags_are_read_and_named_as_not_kept(tmp_path: Path) -> None:
    with soundfile.SoundFile(tmp_path / "a.flac", "w", 8_000, 1) as file:
        file.title, file.artist = "one", "two"
        file.write(tone(100))
    sound = load_audio(tmp_path / "a.flac")
    assert {"title": "one", "artist": "two"}.items() <= sound.metadata.items()
    assert "title" in unkept(sound)[0]
    assert unkept(sound.stripped()) == ()
    assert any("title" in note for note in save_audio(sound, io.BytesIO(), "wav"))
    with open_media(tmp_path / "a.flac") as source:
        assert "artist" in unkept(source)[0]
        assert unkept(source.stripped()) == ()


@pytest.mark.parametrize(
    ("media", "said"),
    [
        ((tone(9).astype(np.int64), 8_000), "got int64"),
        ((np.zeros((2, 16_000)), 8_000), r"16000 channels.*\[T, C\]"),
        ((np.zeros((2, 0)), 8_000), "0 channels"),
        ((np.zeros((2, 1, 1)), 8_000), r"float32 \[2, 1, 1\]"),
        ((np.zeros(3), 0), "above 0, got 0"),
        ((np.zeros(3), -8_000), "above 0"),
        ((np.zeros(3), 44_100.5), "must be an int"),
        ((np.zeros(3), None), "must be an int"),
        (([0.0, 1.0], 8_000), "array or a tensor, not list"),
        ((np.zeros(3), 8_000, 1), "can't take tuple"),
        ((np.array([0, np.nan]), 8_000), "sample 1 is NaN"),
        ((np.array([1e300, 0]), 8_000), "sample 0 is NaN or infinite"),
        ((np.zeros(3), 768_001), "768001 Hz"),
    ],
)
def test_what_is_no_sound_is_refused(media: object, said: str) -> None:
    with pytest.raises((InputError, LimitExceededError), match=said):
        as_audio(media)


def test_an_audio_takes_float32_only() -> None:
    with pytest.raises(InputError, match="float64"):
        Audio(cast(NDArray[np.float32], np.zeros((3, 1))), 8_000)
    with pytest.raises(InputError, match="numpy array, not list"):
        Audio(cast(NDArray[np.float32], [0.0]), 8_000)


def test_arrays_and_tensors_are_sounds() -> None:
    samples = tone(50, channels=2)
    for given_ in (samples, samples.astype(np.float64), torch.tensor(samples)):
        assert np.array_equal(as_audio((given_, 8_000)).array, samples)
    assert as_audio((samples[:, 0], np.int64(8_000))).array.shape == (50, 1)
    half = as_audio((torch.tensor(samples).bfloat16(), 8_000))
    assert np.allclose(half.array, samples, atol=0.01)
    audio = Audio(samples, 8_000)
    assert as_audio(audio) is audio
    assert audio.to_tensor().shape == (2, 50)


def test_samples_whose_sum_overflows_are_finite_all_the_same() -> None:
    huge = np.full((4, 1), np.finfo(np.float32).max, np.float32)
    assert Audio(huge, 8_000).samples == 4
