"""Prediction of a sound's latents along time: what is chosen, what it leaves, how it is fitted."""

import math

import pytest
import torch
from torch import Tensor

from ncodec.models.prediction import (
    PREDICTORS,
    Predictors,
    along,
    residual_energy,
    statistics,
)
from ncodec.models.pyramid import Pyramid, pyramid
from ncodec.training.predictor_fit import channels_of, fit

FRAMES = 172
ANGLES = (0.5, 1.2, 2.2, 2.8)


def grid() -> Pyramid:
    return pyramid(1, FRAMES, 8, torch.device("cpu"))


def tones(angle: float, channels: int = 6) -> Tensor:
    """Latents [1, t, M] that turn by an angle a frame, in coding order."""
    time = torch.arange(FRAMES)[:, None]
    phase = torch.linspace(0, 6, channels)
    return (20 * torch.cos(angle * time + phase))[grid().order][None]


def finest(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Latents of the last pass, and those around them as they are known."""
    part = grid().passes[-1]
    return rows[:, part.start : part.stop], along(part, rows.round())


def for_angles() -> Predictors:
    """A codebook with the ideal predictor of each tone."""
    table = Predictors()
    for number, angle in enumerate(ANGLES, 1):
        table.taps[number, 1:3] = 1 / (2 * math.cos(angle))
    return table


@pytest.mark.parametrize("number", range(1, 1 + len(ANGLES)))
def test_a_tone_gets_the_predictor_of_its_angle(number: int) -> None:
    wanted, around = finest(tones(ANGLES[number - 1]))
    chosen = for_angles().choose(wanted, around, torch.zeros(PREDICTORS))
    assert (chosen == number).all()
    left = wanted - for_angles().mean(chosen, around)
    # Inside; beyond the ends a mirror image stands in.
    assert left[:, 2:-2].square().mean() < 0.05 * wanted.square().mean()


def test_noise_is_not_predicted() -> None:
    torch.manual_seed(0)
    wanted, around = finest(5 * torch.randn(1, FRAMES, 40))
    price = torch.full((PREDICTORS,), 4.0)
    price[0] = 0
    assert (for_angles().choose(wanted, around, price) == 0).float().mean() > 0.9


def test_a_predictor_that_costs_too_much_is_not_chosen() -> None:
    wanted, around = finest(tones(ANGLES[0]))
    price = torch.full((PREDICTORS,), 1e4)
    price[0] = 0
    assert (for_angles().choose(wanted, around, price) == 0).all()


def test_energies_are_those_of_the_residuals() -> None:
    torch.manual_seed(1)
    wanted, around = finest(10 * torch.randn(2, FRAMES, 3))
    taps = torch.randn(PREDICTORS, 4)
    found = residual_energy(*statistics(wanted, around), taps)
    table = Predictors()
    table.taps.copy_(taps)
    for number in (0, 7, 31):
        left = wanted - table.mean(torch.full((2, 3), number), around)
        torch.testing.assert_close(found[..., number], left.square().sum(1), rtol=1e-3, atol=1.0)


def test_the_fit_finds_the_tones_and_spares_bits() -> None:
    torch.manual_seed(2)
    rows = [tones(angle) + torch.randn(1, FRAMES, 6) for angle in ANGLES for _ in range(20)]
    rows += [5 * torch.randn(1, FRAMES, 6) for _ in range(40)]
    table = Predictors()
    fit(table, [channels_of(*finest(x)) for x in rows])
    assert table.taps[0].abs().max() == 0
    assert table.price.argmin() == 0
    for angle in ANGLES:
        wanted, around = finest(tones(angle))
        left = wanted - table.mean(table.choose(wanted, around, table.price), around)
        assert left.square().mean() < 0.2 * wanted.square().mean()
    assert (table.relief >= 0).all()
    assert table.relief.max() > 1


def test_a_fit_to_noise_predicts_nothing() -> None:
    torch.manual_seed(3)
    table = Predictors()
    fit(table, [channels_of(*finest(5 * torch.randn(1, FRAMES, 3)))])
    wanted, around = finest(5 * torch.randn(1, FRAMES, 3))
    left = wanted - table.mean(table.choose(wanted, around, table.price), around)
    assert left.square().mean() > 0.8 * wanted.square().mean()
