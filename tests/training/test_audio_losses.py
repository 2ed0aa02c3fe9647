"""Losses of sounds: zero for the same sound, larger for worse ones, with right gradients."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from ncodec.training import audio_losses as losses
from ncodec.training.spectrograms import power, spectrum, taper

Loss = Callable[[Tensor, Tensor], Tensor]
LOSSES = [
    losses.mel_loss,
    losses.spectrum_loss,
    losses.envelope_loss,
    losses.loudness_loss,
]


def sound(seed: int = 0) -> Tensor:
    """Something with a changing pitch and level, [2, 9600]."""
    time = np.arange(9600) / 16000
    random = np.random.default_rng(seed)
    found = []
    for pitch in (120, 210):
        phase = 2 * np.pi * pitch * (time + 0.1 * np.sin(5 * time))
        tone = sum(np.sin(k * phase) / k for k in range(1, 12))
        swell = 0.55 + 0.45 * np.sin(2 * np.pi * 4 * time + random.uniform(0, 6))
        found.append(0.05 * tone * swell + 1e-4 * random.normal(size=time.size))
    return torch.from_numpy(np.stack(found)).float()


@pytest.mark.parametrize("loss", LOSSES)
def test_the_same_sound_costs_nothing_and_noise_costs_more_the_louder_it_is(loss: Loss) -> None:
    wanted = sound()
    torch.manual_seed(0)
    noise = torch.randn_like(wanted)
    costs = [float(loss(wanted + level * noise, wanted)) for level in (0, 0.003, 0.03)]
    assert costs[0] == pytest.approx(0, abs=0.03)
    assert costs[0] < 0.8 * costs[1] < 0.8 * costs[2]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("made", [torch.zeros(2, 9600), sound(1)])
@pytest.mark.parametrize("wanted", [torch.zeros(2, 9600), sound(2)])
def test_gradients_are_finite(loss: Loss, made: Tensor, wanted: Tensor) -> None:
    made = made.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(made, wanted), made)
    assert bool(gradient.isfinite().all())


def test_envelopes_do_not_care_for_a_gain_but_loudness_does() -> None:
    wanted = sound()
    assert float(losses.envelope_loss(3 * wanted, wanted)) < 0.01
    assert float(losses.loudness_loss(3 * wanted, wanted)) > 0.2


def test_a_flat_envelope_is_no_match() -> None:
    torch.manual_seed(0)
    assert float(losses.envelope_loss(0.05 * torch.randn(2, 9600), sound())) > 0.5


@pytest.mark.parametrize("function", [power, spectrum])
def test_quick_gradients_are_the_derived_ones(function: Callable[..., Tensor]) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 700, requires_grad=True)
    quick = function(x, 64, 16)
    slow = torch.fft.rfft(x.unfold(1, 64, 16) * taper(64))
    pairs = [
        (torch.view_as_real(y) if y.is_complex() else y)
        for y in (quick, slow if function is spectrum else slow.abs().square())
    ]
    weight = torch.randn_like(pairs[0])
    gradients = [torch.autograd.grad((y * weight).sum(), x)[0] for y in pairs]
    torch.testing.assert_close(pairs[0], pairs[1], atol=1e-2, rtol=1e-4)
    torch.testing.assert_close(gradients[0], gradients[1], atol=1e-2, rtol=1e-3)


def test_mel_bands_cover_all_that_is_heard() -> None:
    for window, bands in losses.MEL_WINDOWS.items():
        weights = losses.mel_bands(window, bands)
        assert weights.shape == (window // 2 + 1, bands)
        assert bool((weights.sum(0) > 0.99).all())
