"""The active level of sounds."""

import numpy as np
import pytest

from ncodec.media.level import ACTIVE_LEVEL, MAX_GAIN, LevelMeter


def gain(*pieces: np.ndarray) -> int:  # type: ignore[type-arg]
    meter = LevelMeter()
    for piece in pieces:
        meter.add(piece.astype(np.float32))
    return meter.gain_db


def noise(level: float, samples: int, seed: int = 0) -> np.ndarray:  # type: ignore[type-arg]
    return np.random.default_rng(seed).normal(0, 10 ** (level / 20), samples)


@pytest.mark.parametrize("level", [-60, -40, -26, -10])
def test_the_gain_brings_a_sound_to_the_common_level(level: int) -> None:
    assert gain(noise(level, 32000)) == pytest.approx(ACTIVE_LEVEL - level, abs=1)


def test_silence_and_clicks_do_not_count() -> None:
    speech = noise(-30, 16000)
    with_silence = np.concatenate((np.zeros(50000), speech, 1e-5 * np.ones(50000)))
    assert abs(gain(with_silence) - gain(speech)) <= 1
    clicked = np.concatenate((speech,) * 10)
    clicked[1234] = 1.0
    assert abs(gain(clicked) - gain(speech)) <= 1


def test_the_level_does_not_depend_on_the_pieces() -> None:
    sound = noise(-35, 20000)
    assert gain(sound) == gain(*np.split(sound, [1, 700, 5000, 5001]))


def test_odd_sounds_have_a_gain() -> None:
    assert gain() == 0
    assert gain(np.zeros(3000)) == 0
    assert gain(np.zeros(3)) == 0
    assert gain(np.full(5, 0.5)) == ACTIVE_LEVEL + 6
    assert gain(np.full(3000, 1e-5)) == MAX_GAIN
