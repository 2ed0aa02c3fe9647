"""Sounds as a user types them: names, pipes, formats, stretches, targets, damage."""

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

import ncodec
from ncodec.cli.wording import length_text, sound_text, time_of
from ncodec.container import Reader
from ncodec.errors import OptionError
from ncodec.media import Audio, load_audio, save_audio
from tests.cli.conftest import Picture, Run, Sound, names
from tests.sounds.sounds import tone

pytestmark = pytest.mark.usefixtures("mulaw")


def test_a_sound_goes_there_and_back_beside_itself(run: Run, sound: Sound) -> None:
    path = sound("a.wav", channels=2)
    assert run("encode", path, "-q", 100).code == 0
    path.unlink()
    assert run("decode", "a.ncd").code == 0
    back = load_audio("a.wav")
    assert back.sample_rate == 8_000
    assert np.allclose(back.array, tone(20_000, 8_000, 2), atol=0.03)


def test_a_folder_may_hold_pictures_and_sounds(
    run: Run, sound: Sound, picture: Picture, folder: Path
) -> None:
    sound("in/a.flac")
    sound("in/deep/b.OGG")
    picture("in/c.png")
    assert run("encode", "in", "-o", "out").code == 0
    assert names(folder / "out") == ["a.ncd", "c.ncd", "deep/b.ncd"]
    assert run("decode", "out", "-o", "back").code == 0
    assert names(folder / "back") == ["a.wav", "c.png", "deep/b.wav"]
    assert run("test", "out").code == 0


def test_what_a_file_is_shows_in_its_bytes_not_its_name(run: Run, sound: Sound) -> None:
    sound("a.wav").rename("a.png")
    assert run("encode", "a.png").code == 0
    assert Reader(Path("a.ncd").read_bytes()).sound.samples == 20_000


def test_pipes_carry_the_same_bytes_as_files(run: Run, sound: Sound) -> None:
    path = sound("a.wav")
    run("encode", path)
    encoded = run("encode", "-", "-o", "-", stdin=path.read_bytes())
    assert (encoded.code, encoded.data) == (0, Path("a.ncd").read_bytes())
    run("decode", "a.ncd", "-f")
    decoded = run("decode", "-", stdin=encoded.data)
    assert decoded.data == Path("a.wav").read_bytes()


@pytest.mark.parametrize(
    ("words", "name", "kind"),
    [
        (("-o", "b.flac"), "b.flac", ("FLAC", "PCM_16")),
        (("-o", "b.ogg"), "b.ogg", ("OGG", "VORBIS")),
        (("-o", "b.opus"), "b.opus", ("OGG", "OPUS")),
        (("-o", "b.mp3"), "b.mp3", ("MP3", "MPEG_LAYER_III")),
        (("--format", "wav/24"), "a.wav", ("WAV", "PCM_24")),
        (("--format", "wav/float", "-f"), "a.wav", ("WAV", "FLOAT")),
        (("-o", "b.xyz", "--format", "aiff"), "b.xyz", ("AIFF", "PCM_16")),
    ],
)
def test_the_suffix_or_format_chooses_the_sound_format(
    run: Run, sound: Sound, words: tuple[str, ...], name: str, kind: tuple[str, str]
) -> None:
    run("encode", sound("in/a.wav"), "-o", "a.ncd")
    assert run("decode", "a.ncd", *words).code == 0
    with soundfile.SoundFile(name) as file:
        assert (file.format, file.subtype) == kind
        assert (file.samplerate, file.channels, file.frames) == (8_000, 1, 20_000)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-o", "b.png"), "unknown sound format '.png'"),
        (("--format", "nonsense"), "unknown sound format 'nonsense'"),
        (("--format", "flac/float"), "can't be written"),
        (("--region", "0,0,1,1", "-o", "b.wav"), "holds a sound"),
        (("--from", "x", "-o", "b.wav"), "--from 'x': write seconds"),
        (("--from", "3", "-o", "b.wav"), "the sound, which has 2.5 seconds"),
        (("--from", "2", "--to", "1", "-o", "b.wav"), "from 2 to 1"),
    ],
)
def test_what_cannot_be_decoded_so_is_refused(
    run: Run, sound: Sound, folder: Path, words: tuple[str, ...], said: str
) -> None:
    run("encode", sound("in/a.wav"), "-o", "a.ncd")
    before = names(folder)
    answer = run("decode", "a.ncd", *words)
    assert answer.code == 2
    assert said in answer.err
    assert names(folder) == before


def test_a_stretch_is_cut_out(run: Run, sound: Sound) -> None:
    run("encode", sound("in/a.wav"), "-o", "a.ncd")
    run("decode", "a.ncd")
    whole = load_audio("a.wav").array
    for words, stretch in (
        (("--from", "0.5", "--to", "0:02"), slice(4_000, 16_000)),
        (("--from", "0.5"), slice(4_000, None)),
        (("--to", "1"), slice(0, 8_000)),
        (("--to", "99"), slice(None)),
    ):
        assert run("decode", "a.ncd", "-o", "part.wav", "-f", *words).code == 0
        assert np.array_equal(load_audio("part.wav").array, whole[stretch])


def test_a_picture_has_no_seconds(run: Run, picture: Picture) -> None:
    run("encode", picture("a.png"))
    answer = run("decode", "a.ncd", "-o", "b.png", "--to", 1)
    assert answer.code == 2
    assert "holds a picture" in answer.err


def test_kbps_is_a_ceiling_for_the_whole_file(run: Run, sound: Sound) -> None:
    assert run("encode", sound("a.wav"), "--kbps", 40).code == 0
    assert 12_500 * 0.7 < Path("a.ncd").stat().st_size <= 12_500
    answer = run("encode", "a.wav", "-f", "--kbps", 2)
    assert answer.code == 2
    assert "lowest" in answer.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("a.wav", "--bpp", "1"), "sounds and takes quality, size or kbps"),
        (("a.png", "--kbps", "3"), "pictures and takes quality, bpp, size or psnr"),
        (("a.wav", "-c", "plain"), "plain is for pictures, not sounds"),
        (("a.png", "-c", "mulaw"), "mulaw is for sounds, not pictures"),
        (("missing.png", "-c", "mulaw", "--psnr", "40"), "mulaw is for sounds"),
        (("a.wav", "--kbps", "0"), "positive"),
        (("a.wav", "-o", "b.mp3"), "encode writes .ncd files"),
    ],
)
def test_what_cannot_be_encoded_so_is_a_usage_error(
    run: Run, sound: Sound, picture: Picture, folder: Path, words: tuple[str, ...], said: str
) -> None:
    sound("a.wav")
    picture("a.png")
    answer = run("encode", *words)
    assert answer.code == 2
    assert said in answer.err
    assert names(folder) == ["a.png", "a.wav"]


def test_the_summaries_say_what_was_made(run: Run, sound: Sound) -> None:
    answer = run("encode", sound("a.wav", 33_600, channels=2), "-q", 0)
    size = Path("a.ncd").stat().st_size
    assert answer.out == ""
    assert answer.err.startswith("a.wav 4.2 s 8 kHz stereo -> a.ncd  ")
    assert f"{8 * size / 4200:.2f} kbit/s (1:{4 * 33_600 / size:.0f})" in answer.err
    assert re.search(r"enc \d+\.\d\d s \(\S+x real time", answer.err)
    assert answer.err.endswith("verify ok\n")
    back = run("decode", "a.ncd", "-o", "b.wav")
    assert re.search(r"a\.ncd .* -> b\.wav  4\.2 s 8 kHz stereo  dec .*x real time", back.err)


def test_json_is_one_object_a_file(run: Run, sound: Sound) -> None:
    row = json.loads(run("encode", sound("a.wav"), "--json").out)
    size = Path("a.ncd").stat().st_size
    assert (row["codec"], row["samples"], row["sample_rate"]) == ("mulaw", 20_000, 8_000)
    assert (row["bytes"], row["channels"], row["verified"]) == (size, 1, True)
    assert row["kbps"] == pytest.approx(8 * size / 2500)
    row = json.loads(run("decode", "a.ncd", "-o", "b.wav", "--json").out)
    assert (row["samples"], row["lost"]) == (20_000, [])


def test_info_says_what_the_header_says(run: Run, sound: Sound) -> None:
    run("encode", sound("a.wav"))
    said = run("info", "a.ncd").out
    for text in ("2.5 s 8 kHz mono, 20000 samples", "mulaw, rate step", "3\n", "kbit/s", "payload"):
        assert text in said
    assert json.loads(run("info", "a.ncd", "--json").out)["seconds"] == 2.5


def test_info_of_a_sound_never_loads_torch(run: Run, sound: Sound) -> None:
    run("encode", sound("a.wav"))
    script = (
        "import sys; from pathlib import Path; from ncodec.codecs import registry;"
        "from ncodec.cli import app;"
        "registry.BUILT_IN['x'] = registry.CodecEntry('x', 98, 'audio', 'x:x', (), '');"
        "app(['info', 'a.ncd'], standalone_mode=False); print(*sys.modules)"
    )
    root = str(Path(ncodec.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": root, "PATH": ""},
    )
    assert "20000 samples" in done.stdout
    assert not {"torch", "numpy", "soundfile"} & set(done.stdout.split())


def test_trim_makes_a_smaller_file(run: Run, sound: Sound) -> None:
    run("encode", sound("a.wav"), "-q", 100)
    answer = run("trim", "a.ncd", "-o", "b.ncd", "--kbps", 30)
    assert answer.code == 0
    assert re.match(r"a\.ncd .* -> b\.ncd  .* kbit/s", answer.err)
    assert Path("b.ncd").stat().st_size <= 30 * 2.5 * 125
    assert run("decode", "b.ncd").code == 0
    assert load_audio("b.wav").samples == 20_000


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("a.ncd", "--kbps", "9"), "is an input too"),
        (("a.ncd",), "--kbps"),
        (("a.ncd", "-o", "b.ncd", "--kbps", "-1"), "positive"),
        (("a.ncd", "-o", "b.ncd", "--kbps", "0.5"), "lowest"),
        (("p.ncd", "-o", "b.ncd", "--kbps", "3"), "codec plain can't be trimmed"),
    ],
)
def test_what_cannot_be_trimmed_is_a_usage_error(
    run: Run, sound: Sound, picture: Picture, words: tuple[str, ...], said: str
) -> None:
    run("encode", sound("a.wav"))
    run("encode", picture("p.png"))
    answer = run("trim", *words)
    assert answer.code == 2
    assert said in answer.err
    assert not Path("b.ncd").exists()


def test_a_damaged_second_is_named_and_the_rest_written(run: Run, sound: Sound) -> None:
    run("encode", sound("in/a.wav"), "-o", "a.ncd", "-q", 100)
    run("decode", "a.ncd", "-o", "whole.wav")
    data = bytearray(Path("a.ncd").read_bytes())
    data[-8_000] ^= 1
    Path("a.ncd").write_bytes(data)
    assert run("test", "a.ncd").code == 4
    assert run("decode", "a.ncd").code == 4
    assert not Path("a.wav").exists()
    answer = run("decode", "a.ncd", "--partial")
    assert answer.code == 4
    assert "error: a.ncd: lost: 1.00 to 2.00 s" in answer.err
    left, whole = load_audio("a.wav").array, load_audio("whole.wav").array
    assert (left[8_000:16_000] == 0).all()
    assert np.array_equal(
        np.delete(left, slice(8_000, 16_000), 0), np.delete(whole, slice(8_000, 16_000), 0)
    )


def test_what_is_no_sound_is_unreadable_input(run: Run, sound: Sound, folder: Path) -> None:
    (folder / "junk.wav").write_bytes(b"RIFF\x24\0\0\0WAVEjunk")
    (folder / "empty.flac").write_bytes(b"")
    bad = Audio(tone(100), 8_000)
    bad.array[5] = np.nan
    save_audio(bad, folder / "nan.wav", "wav/float")
    sound("cut.flac", 200_000)
    (folder / "cut.flac").write_bytes((folder / "cut.flac").read_bytes()[:100_000])
    for name in ("junk.wav", "empty.flac", "nan.wav", "cut.flac"):
        answer = run("encode", name)
        assert (name, answer.code) == (name, 3)
        assert answer.err.startswith(f"error: {name}: ")
        assert answer.err.count("\n") == 1
    answer = run("decode", "nan.wav", "-o", "x.wav")
    assert answer.code == 3
    assert "WAV sound; to compress it, use encode" in answer.err


def test_samples_beyond_full_scale_are_clipped_with_a_warning(
    run: Run, sound: Sound, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("encode", sound("in/a.wav"), "-o", "a.ncd")
    monkeypatch.setattr("tests.sounds.mulaw_codec.samples_of", lambda codes, _: codes * 0 + 1.5)
    answer = run("decode", "a.ncd", "-o", "b.wav")
    assert answer.code == 0
    assert "warning: a.ncd: 20000 samples beyond full scale were clipped" in answer.err


def test_tags_are_named_in_a_warning_unless_stripped(run: Run, folder: Path) -> None:
    with soundfile.SoundFile("a.flac", "w", 8_000, 1) as file:
        file.title = "a song"
        file.write(tone(100))
    assert "warning: a.flac: tags are not kept: title" in run("encode", "a.flac").err
    assert "tags" not in run("encode", "a.flac", "--strip", "-f").err


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90.5", 90.5), ("1:30", 90), ("1:01:30.25", 3690.25), (" 0 ", 0), (None, None)],
)
def test_times_are_seconds_or_have_colons(text: str | None, seconds: float | None) -> None:
    assert time_of(text, "--from") == seconds


@pytest.mark.parametrize("text", ["", "-1", "1:", ":30", "1:2:3:4", "nan", "1e3", "٣"])
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(OptionError, match="--to"):
        time_of(text, "--to")


def test_lengths_read_as_people_write_them() -> None:
    lengths = [length_text(seconds) for seconds in (0, 4.21, 99.94, 99.96, 600, 3599.7)]
    assert lengths == ["0.0 s", "4.2 s", "99.9 s", "1:40", "10:00", "1:00:00"]
    assert sound_text(1, 44_100, 6) == "1.0 s 44.1 kHz 6 channels"


def test_an_empty_sound_is_a_sound(run: Run, sound: Sound) -> None:
    assert run("encode", sound("a.wav", 0)).code == 0
    assert "0.0 s 8 kHz mono, 0 samples" in run("info", "a.ncd").out
    assert run("decode", "a.ncd", "-o", "-").data.startswith(b"RIFF")
    assert load_audio(io.BytesIO(run("decode", "a.ncd", "-o", "-").data)).samples == 0
