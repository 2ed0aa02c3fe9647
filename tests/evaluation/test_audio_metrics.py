"""Metrics of sounds say what they should, and what other implementations say."""

import math
import sys

import numpy as np
import pesq as pesq_package
import pystoi
import pytest
import torch
import visqol as visqol_package
from numpy.typing import NDArray

from ncodec.errors import InputError, OptionError
from ncodec.evaluation import log_mel, pesq_wb, si_sdr, stoi, visqol
from ncodec.evaluation.audio_metrics import MEL_SCALES, mel_bands
from tests.evaluation.conftest import RATE, speech

VOICE = speech(1.5).T[None].astype(np.float64)
NOISE = 0.02 * np.random.default_rng(3).standard_normal(VOICE.shape)
NOISY, NOISIER = VOICE + NOISE, VOICE + 4 * NOISE


def test_si_sdr_is_the_ratio_of_what_is_left_of_the_original() -> None:
    t = np.arange(RATE) / RATE
    tone, other = (np.sin(2 * np.pi * f * t)[None, None] for f in (500, 1500))
    np.testing.assert_allclose(si_sdr(tone, tone + 0.1 * other), 20, atol=1e-6)
    np.testing.assert_allclose(si_sdr(tone, 0.3 * (tone + 0.1 * other)), 20, atol=1e-6)
    np.testing.assert_allclose(si_sdr(tone, other), -100)
    assert si_sdr(tone, tone) == [100]


def test_si_sdr_of_silence() -> None:
    silence = np.zeros((1, 1, 100))
    assert np.isnan(si_sdr(silence, VOICE[:, :, :100]))
    assert si_sdr(VOICE[:, :, 5000:5100], silence) == [-100]


def test_si_sdr_is_a_mean_over_channels_that_are_heard() -> None:
    one, other = si_sdr(VOICE, NOISY)[0], si_sdr(VOICE, NOISIER)[0]
    stereo = np.concatenate([VOICE, VOICE], 1), np.concatenate([NOISY, NOISIER], 1)
    np.testing.assert_allclose(si_sdr(*stereo), (one + other) / 2)
    half = np.concatenate([VOICE, 0 * VOICE], 1), np.concatenate([NOISY, NOISIER], 1)
    np.testing.assert_allclose(si_sdr(*half), one)


def test_log_mel_counts_decades() -> None:
    assert log_mel(VOICE, VOICE, RATE) == [0]
    loud = np.random.default_rng(0).standard_normal((2, 1, RATE))
    values = log_mel(loud, loud / 10, RATE)
    assert len(values) == 2
    # A tenth of the magnitude is one decade in each of the scales (bands without a bin excepted).
    empty = sum((~mel_bands(RATE, w, b).any(1)).mean() for w, b in MEL_SCALES)
    np.testing.assert_allclose(values, len(MEL_SCALES) - empty, atol=1e-3)
    assert log_mel(VOICE, NOISY, RATE) < log_mel(VOICE, NOISIER, RATE)


def slaney_hertz(mels: float) -> float:
    """Slaney's scale: 3 mels to 200 Hz below 1000 Hz, above it 27 mels to a factor of 6.4."""
    return mels * 200 / 3 if mels < 15 else 1000 * math.pow(6.4, (mels - 15) / 27)


@pytest.mark.parametrize(("window", "bands"), MEL_SCALES)
@pytest.mark.parametrize("rate", [1_600, RATE, 44_100])
def test_mel_bands_are_slaneys_triangles(rate: int, window: int, bands: int) -> None:
    """Each band rises from its neighbour's peak to its own and falls to the next; its area is 1."""
    half = rate / 2
    top = half * 3 / 200 if half < 1000 else 15 + 27 * math.log(half / 1000, 6.4)
    peaks = [slaney_hertz(top * i / (bands + 1)) for i in range(bands + 2)]
    bins = np.arange(window // 2 + 1) * rate / window
    expected = [
        np.interp(bins, (low, peak, high), (0, 2 / (high - low), 0))
        for low, peak, high in zip(peaks, peaks[1:], peaks[2:], strict=False)
    ]
    np.testing.assert_allclose(mel_bands(rate, window, bands), expected, atol=2e-6)


def test_stoi_is_pystois() -> None:
    values = stoi(np.concatenate([VOICE, VOICE]), np.concatenate([NOISY, NOISIER]), RATE)
    expected = [pystoi.stoi(VOICE[0, 0], x[0, 0], RATE) for x in (NOISY, NOISIER)]
    np.testing.assert_allclose(values, expected)
    assert 1 > values[0] > values[1]


def test_pesq_is_pesqs() -> None:
    values = pesq_wb(torch.from_numpy(VOICE), torch.from_numpy(NOISY), RATE)
    np.testing.assert_allclose(values, pesq_package.pesq(RATE, VOICE[0, 0], NOISY[0, 0], "wb"))


def test_visqol_of_speech_is_the_lattice_networks() -> None:
    api = visqol_package.VisqolApi()
    api.create(mode="speech", use_lattice_model=True)
    expected = api.measure_from_arrays(VOICE[0, 0], NOISY[0, 0], RATE).moslqo
    np.testing.assert_allclose(visqol(VOICE, NOISY, RATE), expected)


def test_visqol_of_music_is_measured_at_48_khz() -> None:
    api = visqol_package.VisqolApi()
    api.create(mode="audio")
    one, other = (np.repeat(x[:, :, :RATE], 3, axis=2) for x in (VOICE, NOISY))
    expected = api.measure_from_arrays(one[0, 0], other[0, 0], 48_000).moslqo
    np.testing.assert_allclose(visqol(one, other, 48_000), expected)


def test_what_is_too_short_or_silent_has_no_value() -> None:
    short, silence = VOICE[:, :, :1000], np.zeros((1, 1, RATE))
    for metric in (stoi, pesq_wb, visqol):
        assert np.isnan(metric(short, short, RATE)), metric
        assert np.isnan(metric(silence, silence, RATE)), metric
    assert np.isnan(log_mel(short, short, RATE))


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        (np.zeros((1, 1, 9)), np.zeros((1, 2, 9)), "equal shape"),
        (np.zeros((1, 9)), np.zeros((1, 9)), "B, C, T"),
        (np.zeros((1, 1, 9), np.int16), np.zeros((1, 1, 9), np.int16), "floating"),
        (np.full((1, 1, 9), np.inf), np.zeros((1, 1, 9)), "finite"),
    ],
)
def test_what_are_no_sounds_is_refused(
    one: NDArray[np.generic], other: NDArray[np.generic], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        si_sdr(one, other)


@pytest.mark.parametrize(
    ("metric", "package"),
    [(stoi, "pystoi"), (pesq_wb, "pesq"), (visqol, "ai_edge_litert")],
)
def test_a_missing_package_is_named(
    metric: object, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ncodec.evaluation import audio_metrics

    audio_metrics._visqol.cache_clear()
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(OptionError, match=rf"{package}.*ncodec\[eval\]"):
        metric(VOICE, NOISY, RATE)  # type: ignore[operator]
