"""Which codec encodes where none is named."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import ncodec
from ncodec.codecs import registry
from ncodec.codecs.automatic import LADDERS, choices, first
from ncodec.codecs.base import Target
from ncodec.errors import NcodecWarning, OptionError
from ncodec.media import Audio, Image
from tests.codecs.pictures import picture

Options = dict[str, Any]
IMAGE = Image(picture(200, 100))
BITS = 200 * 100
STEREO = Audio(np.zeros((44_100, 2), np.float32), 44_100)
SPEECH = Audio(np.zeros((16_000, 1), np.float32), 16_000)
LOW = LADDERS["hyperprior"].rate
HIGH = 2 * LADDERS["grvq"].rate
"""Of two channels."""


@pytest.fixture
def _all_there(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Choosing looks at weights files, and at none of what they hold."""
    weights = registry.BUILT_IN["hyperprior"].weights
    whole = replace(registry.BUILT_IN["vqgan"], weights=weights)
    monkeypatch.setitem(registry.BUILT_IN, "vqgan", whole)
    registry.entries.cache_clear()
    yield
    monkeypatch.undo()
    registry.entries.cache_clear()


def chosen(media: Image | Audio, name: str | None = None, **options: Any) -> list[str]:  # noqa: ANN401
    return [entry.name for entry in choices(media, Target.from_options(**options), name)]


@pytest.mark.usefixtures("_all_there")
@pytest.mark.parametrize(
    ("media", "options", "names"),
    [
        (IMAGE, {}, ["hyperprior"]),
        (IMAGE, {"quality": 0}, ["hyperprior"]),
        (IMAGE, {"psnr": 20}, ["hyperprior"]),
        (IMAGE, {"bpp": 0.9 * LOW}, ["vqgan"]),
        (IMAGE, {"bpp": 1.1 * LOW}, ["hyperprior", "vqgan"]),
        (IMAGE, {"size": int(0.9 * LOW * BITS / 8)}, ["vqgan"]),
        (IMAGE, {"size": int(1.1 * LOW * BITS / 8)}, ["hyperprior", "vqgan"]),
        (IMAGE, {"bpp": 5 * LOW}, ["hyperprior"]),
        (IMAGE, {"drop": 10}, ["vqgan"]),
        (STEREO, {}, ["grvq"]),
        (STEREO, {"quality": 100}, ["grvq"]),
        (STEREO, {"kbps": HIGH}, ["grvq"]),
        (STEREO, {"kbps": 1.1 * HIGH}, ["walloc", "grvq"]),
        (STEREO, {"size": int(0.9 * HIGH * 125)}, ["grvq"]),
        (STEREO, {"size": int(1.1 * HIGH * 125)}, ["walloc", "grvq"]),
        (STEREO, {"kbps": 5 * HIGH}, ["walloc"]),
        (SPEECH, {"kbps": HIGH}, ["grvq"]),
        (SPEECH, {"size": 17 * 125}, ["grvq"]),
        (SPEECH, {"size": 20 * 125}, ["walloc", "grvq"]),
        (Audio(np.zeros((0, 1), np.float32), 16_000), {"size": 9}, ["grvq"]),
    ],
)
def test_the_rate_chooses(media: Image | Audio, options: Options, names: list[str]) -> None:
    assert chosen(media, **options) == chosen(media, "auto", **options) == names


def test_a_codec_that_is_named_is_the_only_one() -> None:
    assert chosen(IMAGE, "walloc", bpp=0.01) == ["walloc"]
    assert chosen(STEREO, "grvq", kbps=64) == ["grvq"]


def test_a_codec_without_weights_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    row = replace(registry.BUILT_IN["vqgan"], weights=())
    monkeypatch.setattr(registry, "entries", lambda: {**registry.BUILT_IN, "vqgan": row})
    assert chosen(IMAGE, bpp=0.01) == chosen(IMAGE, bpp=1) == ["hyperprior"]


def test_another_usual_codec_stands_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.DEFAULTS, "image", "walloc")
    assert chosen(IMAGE, bpp=0.01) == ["walloc"]


@pytest.mark.parametrize(
    ("media", "options"), [(IMAGE, {"kbps": 3}), (STEREO, {"bpp": 1}), (STEREO, {"drop": 5})]
)
def test_targets_of_the_other_medium_are_refused(media: Image | Audio, options: Options) -> None:
    with pytest.raises(OptionError, match="is for"):
        chosen(media, **options)


def test_one_that_does_not_reach_low_enough_makes_way() -> None:
    tried = []
    entries = [registry.BUILT_IN[name] for name in ("hyperprior", "walloc")]

    def attempt(entry: registry.CodecEntry) -> str:
        tried.append(entry.name)
        if entry.name == "hyperprior":
            raise OptionError("below the lowest possible")
        return entry.name

    assert first(entries, attempt) == "walloc"
    assert tried == ["hyperprior", "walloc"]
    with pytest.raises(OptionError, match="lowest"):
        first(entries[:1], attempt)


def test_sounds_go_to_the_codec_for_their_rate() -> None:
    t = np.arange(36_000) / 24_000
    hiss = np.random.default_rng(0).normal(0, 0.01, len(t))
    sound = (np.sin(1500 * t) * np.sin(9 * t) / 3 + hiss, 24_000)
    for options, name in (({"kbps": 3}, "grvq"), ({"kbps": 12}, "walloc"), ({}, "grvq")):
        blob = ncodec.encode(sound, device="cpu", **options)  # type: ignore[arg-type]
        assert ncodec.read_info(blob).codec == name


def test_a_warning_names_the_line_that_encodes() -> None:
    with pytest.warns(NcodecWarning, match="above the best possible") as caught:
        ncodec.encode(IMAGE, bpp=1000, device="cpu")
    assert caught[0].filename == __file__


@pytest.mark.usefixtures("vqgan")
def test_pictures_go_where_their_size_can_be_had() -> None:
    lowest = len(ncodec.encode(IMAGE, quality=0, device="cpu"))
    assert lowest > LOW * BITS / 8
    with pytest.warns(NcodecWarning, match="above the best possible"):
        smaller = ncodec.encode(IMAGE, size=lowest - 1, device="cpu")
    files = smaller, ncodec.encode(IMAGE, size=lowest, device="cpu")
    assert [ncodec.read_info(file).codec for file in files] == ["vqgan", "hyperprior"]
    assert len(files[0]) < len(files[1]) == lowest
    with pytest.raises(OptionError, match="below the lowest possible"):
        ncodec.encode(IMAGE, size=30, device="cpu")
