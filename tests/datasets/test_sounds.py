"""Training sounds: loading, kinds, crops; and the changes made to them."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from ncodec.datasets import augment
from ncodec.datasets.sounds import SPEEDS, SoundCrops
from ncodec.errors import InputError


def tone(pitch: float, seconds: float, rate: int, channels: int = 1) -> np.ndarray:  # type: ignore[type-arg]
    time = np.arange(int(seconds * rate)) / rate
    return np.repeat(0.3 * np.sin(2 * np.pi * pitch * time)[:, None], channels, axis=1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> SoundCrops:
    folder = tmp_path_factory.mktemp("sounds")
    for kind, pitch, seconds, rate in (
        ("speech", 300, 1.5, 16000),
        ("speech", 300, 0.2, 16000),
        ("music", 2000, 1.0, 44100),
    ):
        (folder / kind).mkdir(exist_ok=True)
        sound = tone(pitch, seconds, rate, 2)
        soundfile.write(folder / kind / f"{seconds}.wav", sound, rate)
    return SoundCrops(folder, 16000)


def pitch_of(crop: np.ndarray) -> float:  # type: ignore[type-arg]
    spectrum = np.abs(np.fft.rfft(crop * np.hanning(len(crop))))
    return float(spectrum.argmax() * 16000 / len(crop))


def test_crops_are_resampled_mono_of_one_level(data: SoundCrops) -> None:
    random = np.random.default_rng(0)
    crops = data.batch(40, 8000, random)
    assert crops.shape == (40, 8000)
    assert crops.dtype == np.float32
    pitches = np.array([pitch_of(crop) for crop in crops])
    music = pitches > 1000
    assert 2 < music.sum() < 20
    assert len(set(np.round(pitches[~music] / 300, 1))) >= 3
    assert set(np.round(pitches / np.where(music, 2000, 300), 1)) <= {0.9, 1.0, 1.1}
    whole = crops[np.abs(crops[:, 0]) + np.abs(crops[:, -100:]).max(1) > 0]
    level = 10 * np.log10(np.square(whole).mean(1))
    assert np.abs(level + 26).max() < 1


def test_short_sounds_stand_in_silence(data: SoundCrops) -> None:
    random = np.random.default_rng(1)
    crops = data.batch(60, 8000, random)
    silent = (crops == 0).mean(1)
    assert ((silent > 0.5) & (silent < 0.65)).any()


def test_the_same_generator_draws_the_same(data: SoundCrops) -> None:
    first, second = (data.batch(3, 4000, np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(first, second)


def test_plain_sounds_have_their_own_length(data: SoundCrops) -> None:
    lengths = sorted(len(sound) for sound in data.plain())
    assert lengths == [3200, 16000, 24000]
    assert len(data.shelves[0].sounds[0]) == 1 + len(SPEEDS)


def test_a_folder_without_sounds_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no sound"):
        SoundCrops(tmp_path, 16000)


def augmented(seed: int) -> torch.Tensor:
    sounds = torch.from_numpy(np.repeat(tone(500, 0.5, 16000).T, 8, axis=0)).float()
    torch.manual_seed(seed)
    return augment.augment(sounds, np.random.default_rng(seed))


def test_augmented_sounds_differ_and_are_drawn_again_alike() -> None:
    changed = augmented(0)
    assert changed.shape == (8, 8000)
    assert bool(changed.isfinite().all())
    assert len({round(float(row.square().mean()), 9) for row in changed}) == 8
    assert torch.equal(changed, augmented(0))
    assert not torch.equal(changed, augmented(1))


def test_every_change_is_a_change(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COLOURED", "REVERBERANT", "NOISY", "MIXED"):
        monkeypatch.setattr(augment, name, 1.0)
    sounds = torch.randn(4, 8000)
    for change in (augment.mix, augment.colour, augment.reverberate, augment.add_noise):
        changed = change(sounds, np.random.default_rng(0))
        assert changed.shape == sounds.shape
        assert not torch.allclose(changed, sounds, atol=1e-2), change.__name__
        assert float((changed - sounds).square().mean().sqrt()) < 3
