"""Metrics of pictures say what other implementations say."""

import math

import numpy as np
import pytest
import pytorch_msssim
import torch
from numpy.typing import NDArray
from scipy.ndimage import correlate1d
from skimage.metrics import peak_signal_noise_ratio

from ncodec.errors import InputError, OptionError
from ncodec.evaluation import ms_ssim, ms_ssim_db, psnr
from tests.evaluation.conftest import picture, planes

ONE, OTHER = picture(208, 192, 1), picture(208, 192, 2)
FLAT = np.full_like(ONE, 120)


def test_psnr_agrees_with_scikit_image() -> None:
    values = psnr(planes(ONE, ONE), planes(OTHER, FLAT))
    expected = [
        peak_signal_noise_ratio(ONE, other, data_range=255)  # type: ignore[no-untyped-call]
        for other in (OTHER, FLAT)
    ]
    np.testing.assert_allclose(values, expected, rtol=1e-9)


def test_arrays_and_tensors_bytes_and_fractions_are_alike() -> None:
    whole = psnr(planes(ONE), planes(OTHER))
    fractions = [torch.from_numpy(planes(x)).double() / 255 for x in (ONE, OTHER)]
    np.testing.assert_allclose(psnr(*fractions), whole, rtol=1e-9)
    np.testing.assert_allclose(psnr(fractions[0].numpy(), fractions[1].numpy()), whole, rtol=1e-9)
    np.testing.assert_allclose(ms_ssim(*fractions), ms_ssim(planes(ONE), planes(OTHER)), atol=1e-6)


def test_equal_pictures_have_100_db() -> None:
    assert psnr(planes(ONE), planes(ONE)) == [100]
    assert ms_ssim_db(ms_ssim(planes(ONE), planes(ONE)))[0] > 60


def test_ms_ssim_is_pytorch_msssims() -> None:
    values = ms_ssim(planes(ONE, ONE), planes(OTHER, FLAT))
    pairs = [torch.from_numpy(p).double() for p in (planes(ONE, ONE), planes(OTHER, FLAT))]
    expected = pytorch_msssim.ms_ssim(*pairs, data_range=255, size_average=False)
    np.testing.assert_allclose(values, expected, atol=2e-5)


def test_ms_ssim_is_the_papers_formula() -> None:
    """Computed again with scipy, in float64."""
    values = ms_ssim(planes(ONE), planes(OTHER))
    channels = [reference(ONE[..., c], OTHER[..., c]) for c in range(3)]
    np.testing.assert_allclose(values, np.mean(channels), atol=2e-5)


def reference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    taps = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    x, y = one / 255.0, other / 255.0
    product = 1.0
    for scale, power in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
        mx, my = blurred(x, taps), blurred(y, taps)
        sxx, syy = blurred(x * x, taps) - mx * mx, blurred(y * y, taps) - my * my
        contrast = (2 * (blurred(x * y, taps) - mx * my) + 0.03**2) / (sxx + syy + 0.03**2)
        luminance = (2 * mx * my + 0.01**2) / (mx * mx + my * my + 0.01**2)
        product *= float((contrast * luminance if scale == 4 else contrast).mean()) ** power
        if scale < 4:
            x, y = (v.reshape(len(v) // 2, 2, -1, 2).mean((1, 3)) for v in (x, y))
    return product


def blurred(values: NDArray[np.float64], taps: NDArray[np.float64]) -> NDArray[np.float64]:
    weights = taps / taps.sum()
    whole = correlate1d(correlate1d(values, weights, 0), weights, 1)
    inside: NDArray[np.float64] = whole[5:-5, 5:-5]
    return inside


def test_decibels_of_ms_ssim() -> None:
    np.testing.assert_allclose(ms_ssim_db(np.array([0.9, 0.99])), [10, 20])
    assert math.isnan(ms_ssim_db(np.array([np.nan]))[0])


def test_small_pictures_have_no_ms_ssim() -> None:
    small = planes(picture(160, 200))
    assert np.isnan(ms_ssim(small, small)).all()


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        (np.zeros((1, 3, 4, 4), np.uint8), np.zeros((1, 3, 4, 5), np.uint8), "equal shape"),
        (np.zeros((3, 4, 4), np.uint8), np.zeros((3, 4, 4), np.uint8), "B, C, H, W"),
        (np.zeros((1, 3, 4, 4), np.int32), np.zeros((1, 3, 4, 4), np.int32), "int32"),
        (np.full((1, 3, 4, 4), 2.0), np.zeros((1, 3, 4, 4)), "0..1"),
        (np.full((1, 3, 4, 4), np.nan), np.zeros((1, 3, 4, 4)), "0..1"),
    ],
)
def test_what_are_no_pictures_is_refused(
    one: NDArray[np.generic], other: NDArray[np.generic], said: str
) -> None:
    for metric in (psnr, ms_ssim):
        with pytest.raises(InputError, match=said):
            metric(one, other)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pytorch_msssim", None)
    with pytest.raises(OptionError, match=r"pytorch_msssim.*ncodec\[eval\]"):
        ms_ssim(planes(ONE), planes(OTHER))
