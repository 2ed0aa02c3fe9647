"""The public functions with the sound codec, untrained networks in the registry."""

from pathlib import Path

import numpy as np
import pytest

import ncodec
from ncodec.errors import NcodecWarning, OptionError
from ncodec.evaluation.losses import without_chunks
from ncodec.media import LostSpan, load_audio, save_audio

from .sounds import samples, sound


@pytest.fixture(autouse=True)
def _registered(registered: None) -> None:
    """All tests here use it."""


def test_arrays_go_in_and_come_out() -> None:
    blob = ncodec.encode((samples(20_000)[:, 0], 16_000), kbps=3, verify=True, device="cpu")
    assert len(blob) <= 3 * 20_000 / 16_000 * 125
    audio = ncodec.decode(blob, device="cpu")
    assert isinstance(audio, ncodec.Audio)
    assert audio.array.shape == (20_000, 1)
    info = ncodec.read_info(blob)
    assert info.codec == "grvq"
    assert info.media == "audio"


def test_files_go_in_and_come_out(tmp_path: Path) -> None:
    source, coded, back = (tmp_path / name for name in ("a.flac", "a.ncd", "b.wav"))
    save_audio(sound(60_000, 2, 22_050), source)
    codec = ncodec.load_codec("grvq", device="cpu")
    codec.encode_file(source, coded, quality=20)
    codec.decode_file(coded, back)
    found = load_audio(back)
    assert found.array.shape == (60_000, 2)
    assert found.sample_rate == 22_050
    codec.decode_file(coded, back, span=(1.0, 1.5), overwrite=True)
    assert load_audio(back).samples == 11_025


def test_a_file_is_trimmed_and_spans_are_decoded() -> None:
    blob = ncodec.encode(sound(40_000), quality=100, device="cpu")
    shorter = ncodec.trim(blob, kbps=1.5)
    assert len(shorter) <= 1.5 * 2.5 * 125 < len(blob)
    whole = ncodec.decode(shorter, device="cpu").array
    part = ncodec.decode(shorter, span=(1.5, 2.0), device="cpu").array
    np.testing.assert_allclose(part, whole[24_000:32_000], atol=2e-5)


def test_what_is_lost_is_named() -> None:
    blob = ncodec.encode(sound(40_000), quality=0, device="cpu")
    broken = without_chunks(blob, np.array([False, True, False]))
    audio = ncodec.decode(broken, partial=True, device="cpu")
    assert isinstance(audio, ncodec.Audio)
    assert audio.lost == (LostSpan(0.95, 1.95),)


def test_targets_of_pictures_and_ceilings_too_high_are_told() -> None:
    with pytest.raises(OptionError, match="grvq"):
        ncodec.encode(sound(2000), bpp=1, device="cpu")
    with pytest.warns(NcodecWarning, match="above the best possible"):
        ncodec.encode(sound(16_000), codec="grvq", kbps=100, device="cpu")
