"""Wavelet packets against PyWavelets, and back."""

import numpy as np
import pytest
import pywt
import torch
from numpy.typing import NDArray
from torch import Tensor

from ncodec.models.wavelets import (
    inverse_1d,
    inverse_2d,
    lift,
    packets_1d,
    packets_2d,
    reach,
)

Floats = NDArray[np.float64]
SIZES = (8, 16, 24, 64, 120, 192, 248, 256, 264, 320, 1000)


def reference(signal: Floats, levels: int) -> Floats:
    """Packets [2^levels, t] by PyWavelets, one level after another, lowest frequencies first."""
    bands = [signal]
    for _ in range(levels):
        split = []
        for number, band in enumerate(bands):
            # Four coefficients before the first, of an expansive transform, are its mirror images.
            pair = [c[2 : 2 + len(band) // 2] for c in pywt.dwt(band, "bior4.4", mode="reflect")]
            split += pair if number % 2 == 0 else pair[::-1]
        bands = split
    return np.stack(bands)


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("size", [16, 40, 64, 200, 256, 328, 1000])
@pytest.mark.parametrize("levels", [1, 2, 3])
def test_packets_are_those_of_pywavelets(size: int, levels: int) -> None:
    signal = noise(1, 1, size)
    expected = reference(signal[0, 0].numpy(), levels)
    np.testing.assert_allclose(packets_1d(signal, levels)[0].numpy(), expected, atol=1e-9)


def test_many_levels_are_those_of_pywavelets() -> None:
    signal = noise(1, 1, 6144)
    expected = reference(signal[0, 0].numpy(), 8)
    np.testing.assert_allclose(packets_1d(signal, 8)[0].numpy(), expected, atol=1e-9)


def test_two_dimensions_are_one_after_the_other() -> None:
    picture = noise(2, 3, 40, 320)
    rows = packets_1d(picture.flatten(0, 2)[:, None], 3)
    columns = rows.reshape(6, 40, 8, 40).permute(0, 2, 3, 1).reshape(-1, 1, 40)
    both = packets_1d(columns, 3).reshape(2, 3, 8, 40, 8, 5)
    expected = both.permute(0, 1, 4, 2, 5, 3).reshape(2, 192, 5, 40)
    torch.testing.assert_close(packets_2d(picture, 3), expected, atol=1e-9, rtol=0)


@pytest.mark.parametrize("size", SIZES)
def test_the_inverse_gives_samples_back(size: int) -> None:
    signal = noise(2, 3, size)
    torch.testing.assert_close(inverse_1d(packets_1d(signal, 3), 3), signal, atol=1e-9, rtol=0)
    picture = noise(1, 2, size, 72)
    torch.testing.assert_close(inverse_2d(packets_2d(picture, 3), 3), picture, atol=1e-9, rtol=0)


def test_the_inverse_gives_back_many_levels_of_many_channels() -> None:
    signal = noise(2, 5, 256 * 7)
    torch.testing.assert_close(inverse_1d(packets_1d(signal, 8), 8), signal, atol=1e-8, rtol=0)


def test_single_precision_is_exact_to_a_millionth() -> None:
    picture = noise(1, 3, 328, 264).float()
    torch.testing.assert_close(inverse_2d(packets_2d(picture, 3), 3), picture, atol=5e-6, rtol=0)


def test_bands_are_sorted_by_frequency() -> None:
    time = torch.arange(4096, dtype=torch.float64)
    strongest = []
    for band in range(8):
        wave = torch.cos(torch.pi * (band + 0.5) / 8 * time + 0.3)
        energy = packets_1d(wave[None, None], 3)[0].square().sum(1)
        strongest.append(int(energy.argmax()))
    assert strongest == list(range(8))


def test_energy_is_nearly_kept() -> None:
    signal = noise(4, 1, 2048)
    ratio = packets_1d(signal, 3).square().sum() / signal.square().sum()
    assert 0.9 < float(ratio) < 1.1


def test_a_constant_lies_in_the_lowest_band_up_to_the_borders() -> None:
    bands = packets_2d(torch.ones(1, 1, 64, 72, dtype=torch.float64), 3)
    torch.testing.assert_close(bands[:, 0], torch.full((1, 8, 9), 8.0, dtype=torch.float64))
    assert float(bands[:, 1:].abs().max()) < 1e-9


def test_nothing_reaches_further_than_said() -> None:
    impulse = torch.zeros(1, 1, 512, dtype=torch.float64)
    impulse[..., 256] = 1
    bands = packets_1d(impulse, 3)
    far = torch.ones(64, dtype=torch.bool)
    far[(256 - reach(3)) // 8 : (256 + reach(3)) // 8 + 1] = False
    assert float(bands[0, :, far].abs().max()) < 1e-12


def test_one_level_of_lifting_has_a_low_and_a_high_band() -> None:
    low, high = lift(torch.ones(1, 10, dtype=torch.float64))
    torch.testing.assert_close(low, torch.full_like(low, 2**0.5))
    assert float(high.abs().max()) < 1e-9


def test_gradients_flow_through_both_ways() -> None:
    signal = noise(1, 2, 64).requires_grad_()
    torch.autograd.gradcheck(lambda x: inverse_1d(packets_1d(x, 2) ** 2, 2), (signal,))
