"""Baselines code as their libraries do, and more quality costs more bytes."""

import io
import sys
from types import ModuleType

import numpy as np
import PIL.Image
import PIL.ImageFile
import PIL.PngImagePlugin
import pytest

from ncodec.errors import OptionError
from ncodec.evaluation import open_subject, psnr, si_sdr
from ncodec.evaluation.baselines import NAMES, QualityError
from ncodec.evaluation.sounds import fitted
from ncodec.media import Audio, Image
from tests.evaluation.conftest import picture, planes, speech

PICTURE = Image(picture(96, 80))
SPEECH = Audio(speech(2.0), 16_000)
MUSIC = Audio(speech(1.0, 44_100, 2), 44_100)


def saved(format: str, **options: int) -> bytes:
    file = io.BytesIO()
    PICTURE.to_pil().save(file, format, **options)
    return file.getvalue()


@pytest.mark.parametrize("name", ["jpeg", "webp", "avif"])
def test_pictures_get_better_and_larger(name: str) -> None:
    subject = open_subject(name, threads=1)
    files = [subject.encode(PICTURE, quality) for quality in (10, 50, 90)]
    decoded = [subject.decode(data) for data in files]
    values = [psnr(planes(PICTURE.array), planes(x.array))[0] for x in decoded]
    assert values == sorted(values)
    assert [len(data) for data in files] == sorted(len(data) for data in files)
    assert all(0 < subject.payload(data) < len(data) for data in files)
    assert subject.note.media == "image"
    assert subject.note.version is not None
    assert "Pillow" in subject.note.version


def test_settings_are_pillows_defaults() -> None:
    """The settings of the published curves: 4:2:0 for JPEG, method 4 for WebP."""
    assert open_subject("jpeg").encode(PICTURE, 75) == saved("JPEG", quality=75)
    assert open_subject("webp").encode(PICTURE, 75) == saved("WEBP", quality=75)
    assert open_subject("webp").encode(PICTURE, 75) == saved("WEBP", quality=75, method=4)


def test_grey_pictures_stay_grey() -> None:
    grey = Image(PICTURE.array[..., 0].copy())
    subject = open_subject("jpeg")
    assert subject.decode(subject.encode(grey, 90)).grey


@pytest.mark.parametrize("name", ["jpeg", "avif"])
def test_pillows_limit_of_the_process_does_not_count(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 10)
    subject = open_subject(name, threads=1)
    assert subject.decode(subject.encode(PICTURE, 50)).width == PICTURE.width


@pytest.mark.parametrize("quality", [-1, 101, 50.5])
def test_qualities_that_pillow_lacks_are_refused(quality: float) -> None:
    with pytest.raises(QualityError, match="0 to 100"):
        open_subject("webp").encode(PICTURE, quality)


def test_jpeg_xl_without_a_plugin_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_jxl", None)
    with pytest.raises(OptionError, match="pillow-jxl-plugin"):
        open_subject("jxl")


def test_jpeg_xl_with_a_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plugin is GPL and no dependency: PNG stands in for its format."""

    def save(image: PIL.Image.Image, file: io.BytesIO, name: str | bytes) -> None:
        asked.append(dict(image.encoderinfo))
        file.write(saved("PNG"))

    asked: list[dict[str, object]] = []
    monkeypatch.setitem(sys.modules, "pillow_jxl", ModuleType("pillow_jxl"))
    monkeypatch.setattr("importlib.metadata.version", lambda _: "1.0")
    monkeypatch.setitem(PIL.Image.SAVE, "JXL", save)
    monkeypatch.setitem(PIL.Image.OPEN, "JXL", (PIL.PngImagePlugin.PngImageFile, None))
    subject = open_subject("jxl", threads=2)
    data = subject.encode(PICTURE, 70)
    assert (subject.decode(data).array == PICTURE.array).all()
    assert asked == [{"quality": 70, "effort": 7, "num_threads": 2}]


@pytest.mark.parametrize(
    ("name", "qualities"), [("opus", (8, 16, 64)), ("mp3", (24, 48, 96)), ("vorbis", (0, 5, 10))]
)
@pytest.mark.parametrize("sound", [SPEECH, MUSIC])
def test_sounds_get_better_and_larger(
    name: str, qualities: tuple[float, ...], sound: Audio
) -> None:
    subject = open_subject(name)
    low = 5 * sound.channels if name != "vorbis" else 0
    files = [subject.encode(sound, max(q, q * sound.channels if low else q)) for q in qualities]
    decoded = [fitted(subject.decode(data), sound) for data in files]
    values = [si_sdr(sound.array.T[None], x.array.T[None])[0] for x in decoded]
    assert values == sorted(values)
    assert values[0] > 3  # One sample of delay would spoil that.
    assert [len(data) for data in files] == sorted(len(data) for data in files)
    assert all(0 < subject.payload(data) <= len(data) for data in files)


@pytest.mark.parametrize(("name", "kbps"), [("opus", 32), ("opus", 64), ("mp3", 32), ("mp3", 64)])
def test_rates_are_what_was_asked_for(name: str, kbps: float) -> None:
    subject = open_subject(name)
    rate = 8 * subject.payload(subject.encode(SPEECH, kbps)) / SPEECH.seconds / 1000
    assert rate == pytest.approx(kbps, rel=0.2)


def test_half_a_minute_of_vorbis() -> None:
    """Written in one call, that many frames overflow libsndfile's stack."""
    sound = Audio(np.tile(speech(1.0, 44_100, 2), (30, 1)), 44_100)
    subject = open_subject("vorbis")
    assert subject.decode(subject.encode(sound, 3)).samples == sound.samples


@pytest.mark.parametrize(
    ("name", "quality", "sound"),
    [("opus", 5, SPEECH), ("opus", 8, MUSIC), ("mp3", 8, SPEECH), ("mp3", 321, MUSIC),
     ("vorbis", 11, SPEECH)],
)  # fmt: skip
def test_rates_that_there_are_not_are_refused(name: str, quality: float, sound: Audio) -> None:
    with pytest.raises(QualityError, match=name):
        open_subject(name).encode(sound, quality)


def test_an_unknown_name_lists_those_there_are() -> None:
    with pytest.raises(OptionError, match=r"no codec 'gif'.*hyperprior.*jpeg"):
        open_subject("gif")
    assert set(NAMES) == {"jpeg", "webp", "avif", "jxl", "opus", "mp3", "vorbis"}
