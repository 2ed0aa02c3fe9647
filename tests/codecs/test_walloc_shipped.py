"""The `walloc` codec with the weights of the package: golden files, quality, latents."""

import json

import numpy as np
import pytest

from ncodec.codecs.base import Target
from ncodec.codecs.walloc import WallocPictures
from ncodec.codecs.walloc_decoding import ChunkReader
from ncodec.codecs.walloc_noise import EVEN, GROUPS
from ncodec.codecs.walloc_sound import WallocSounds
from ncodec.container import Reader
from ncodec.media import Audio, Image, load_audio, load_image
from tests.golden.walloc_files import (
    FOLDER,
    PICTURES,
    SOUNDS,
    picture_engine,
    sound_engine,
    symbols_sha256,
)

from .arithmetic import arithmetic, said_elsewhere
from .pictures import picture
from .sounds import sound

HASHES: dict[str, str] = json.loads((FOLDER / "symbols.json").read_text())
PRINT_HASHES = """
from tests.golden.walloc_files import FOLDER, symbols_sha256
for path in sorted(FOLDER.glob("*.ncd")):
    print(symbols_sha256(path.read_bytes()))
"""


@pytest.fixture(scope="module")
def pictures() -> WallocPictures:
    return picture_engine()


@pytest.fixture(scope="module")
def sounds() -> WallocSounds:
    return sound_engine()


def golden(name: str) -> bytes:
    return (FOLDER / f"{name}.ncd").read_bytes()


def test_every_golden_file_is_listed() -> None:
    assert {path.stem for path in FOLDER.glob("*.ncd")} == set(HASHES) == {*PICTURES, *SOUNDS}


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_those_of_the_past(pictures: WallocPictures, name: str) -> None:
    assert symbols_sha256(golden(name)) == HASHES[name]
    found = pictures.decompress(Reader(golden(name))).array.astype(np.int32)
    assert np.abs(found - load_image(FOLDER / f"{name}.png").array).max() <= 1


@pytest.mark.parametrize("name", SOUNDS)
def test_sounds_are_those_of_the_past(sounds: WallocSounds, name: str) -> None:
    assert symbols_sha256(golden(name)) == HASHES[name]
    found = sounds.decompress(Reader(golden(name))).array.clip(-1, 1)
    expected = load_audio(FOLDER / f"{name}.flac").array
    assert np.abs(found - expected).max() <= 0.01 * max(0.05, np.abs(expected).max())


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("onednn", [True, False])
def test_threads_and_kernels_change_no_symbol(count: int, onednn: bool) -> None:
    with arithmetic(count, onednn):
        assert {name: symbols_sha256(golden(name)) for name in HASHES} == HASHES


def test_another_instruction_set_changes_no_symbol() -> None:
    assert said_elsewhere(PRINT_HASHES) == [HASHES[name] for name in sorted(HASHES)]


def test_pictures_of_more_bits_are_nearer(pictures: WallocPictures) -> None:
    image = Image(picture(120, 90))
    errors = []
    for quality in (0, 30, 60, 100):
        data = pictures.compress(image, Target("quality", quality)).data
        found = pictures.decompress(Reader(data)).array.astype(np.float64)
        errors.append(float(np.square(found - image.array).mean()))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.3 * errors[0]  # The rest is noise: 96 channels keep no more of it.


def test_how_loud_noise_must_be_is_foreseen(sounds: WallocSounds) -> None:
    hiss = np.random.default_rng(0).normal(0, 0.005, (88_200, 2)).astype(np.float32)
    audio = Audio(sound(88_200, 2, 44_100).array + hiss, 44_100)
    reader = Reader(sounds.compress(audio, Target("kbps", 24)).data)
    chunks = ChunkReader(sounds.chunks, reader)
    for index in range(len(chunks)):
        levels = chunks.symbols(index).levels
        assert levels.shape == (2, GROUPS, 6)
        assert np.abs(levels - EVEN).mean() < 3


def test_sounds_of_more_bits_are_nearer(sounds: WallocSounds) -> None:
    audio = sound(88_200, 2, 44_100)
    errors = []
    for kbps in (24, 48, 96):
        data = sounds.compress(audio, Target("kbps", kbps)).data
        assert 8 * len(data) <= 1000 * kbps * audio.seconds
        found = sounds.decompress(Reader(data), fill=False).array
        errors.append(float(np.square(found - audio.array).mean()))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.6 * errors[0]
