"""What training of the `walloc` codec starts from: fitted transforms, fitted predictions.

Random weights spend hours on what linear algebra gives within a minute.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from ncodec.models.prediction import along
from ncodec.models.pyramid import Pass, Pyramid, pyramid
from ncodec.models.rates import KNOTS, rate_lambda
from ncodec.models.walloc import MeanNetwork, ScaleNetwork, Walloc, by_row, gathered
from ncodec.models.walloc_medium import Medium
from ncodec.training.linear_fit import components
from ncodec.training.predictor_fit import channels_of, fit

# At this lambda a quantiser step of 1 is right for the linear transform times START_SCALE.
START_LAMBDA, START_SCALE = 0.013, 5.0
SMALLEST_SPREAD, SMALLEST_DEVIATION = 0.3, 0.01
RIDGE = 1e-3
QUIET = 0.1

Draw = Callable[[], Tensor]
"""Draws a batch of wavelet bands [B, K, h, w], as the analysis sees them."""


@torch.no_grad()
def start(model: Walloc, draw: Draw, batches: int) -> None:
    """Set the model to a working codec; the networks beside the linear maps start silent."""
    covariance = _covariance(draw, batches)
    if model.medium.axes == 1:
        covariance *= _same_band(model.medium)
    basis, deviations = components(covariance, model.medium.latents)
    spread = (START_SCALE * deviations).clamp_min(SMALLEST_SPREAD)
    scale = (START_SCALE / spread)[:, None]
    model.analysis.basis.copy_(basis * scale)
    model.synthesis.linear.basis.copy_((basis / scale).T)
    model.spread.copy_(spread[None, :, None, None])
    for parameter in model.synthesis.leave.parameters():
        parameter.zero_()
    gains = 0.5 * (rate_lambda(torch.linspace(0, 1, KNOTS)) / START_LAMBDA).log()
    model.log_gain.values.copy_(gains[:, None].expand_as(model.log_gain.values))
    _start_prior(model, draw, batches, START_SCALE * deviations)


def _same_band(medium: Medium) -> Tensor:
    """1 where two bands of sound [K, K] are one band of two channels, else 0.

    Many bands are equally strong. Rotated into each other, which is all that they have in common,
    they would lose what tells tones from silence.
    """
    number = torch.arange(medium.bands) % medium.stride
    return (number[:, None] == number).double()


def _covariance(draw: Draw, batches: int) -> Tensor:
    """Covariance [K, K] of bands."""
    total, count = torch.zeros(1, dtype=torch.float64), 0
    for _ in range(batches):
        bands = draw().transpose(0, 1).flatten(1).double()
        total, count = total + bands @ bands.T, count + bands.shape[1]
    return total / count


def _start_prior(model: Walloc, draw: Draw, batches: int, deviations: Tensor) -> None:
    """Means by linear regression on the neighbours; scales by what it leaves."""
    latents = [model.analysis(draw()) for _ in range(max(1, batches // 2))]
    height, width = latents[0].shape[2:]
    grid = pyramid(height, width, model.medium.coarsest, latents[0].device)
    rows = torch.cat([y.flatten(2).transpose(1, 2)[:, grid.order] for y in latents])
    spread, prior = model.spread.flatten(), model.prior
    prior.start.values.copy_(_by_knot(model, deviations)[:, : prior.start.values.shape[1]])
    for part in grid.passes:
        left = deviations
        if f"{part.kind}" in prior.means:
            network = prior.means[f"{part.kind}"]
            count = model.medium.foreseen
            fitted = _fit(network, part, rows[..., :count], model.medium.neighbours)
            left = torch.cat([fitted * spread[:count], deviations[count:]])
        for number, (first, stop) in enumerate(model.medium.spans(part.kind)):
            name = f"{part.kind}_{number}"
            if name in prior.scales:
                _start_scales(prior.scales[name], _by_knot(model, left)[:, first:stop])
    if not model.medium.foreseen:
        _start_predictors(model, grid, rows)


def _start_predictors(model: Walloc, grid: Pyramid, rows: Tensor) -> None:
    """Fit the codebook to latents [B, ., M] in coding order, at all rates in turn."""
    found = []
    for number, item in enumerate(rows):
        gain = by_row(model.gain(torch.tensor([number % KNOTS / (KNOTS - 1)], device=rows.device)))
        steps = (item * gain)[..., : model.medium.seen]
        known = steps.round()
        for part in grid.passes[1:]:
            found.append(channels_of(steps[:, part.start : part.stop], along(part, known)))
    fit(model.prior.predictors, found)


def _by_knot(model: Walloc, deviations: Tensor) -> Tensor:
    """Log scales [KNOTS, M] of latents with these standard deviations [M]."""
    return deviations.clamp_min(SMALLEST_DEVIATION).log() + model.log_gain.values


def _start_scales(network: torch.nn.Module, log_scales: Tensor) -> None:
    if isinstance(network, ScaleNetwork):
        network.second.weight.mul_(QUIET)
        network.second_bias.values.copy_(log_scales)


def _fit(network: torch.nn.Module, part: Pass, rows: Tensor, neighbours: int) -> Tensor:
    """Fit the means of a pass to latents [B, ., M] in coding order; what is left, as deviations."""
    around = gathered(part, rows, neighbours).flatten(0, 1).double()
    wanted = rows[:, part.start : part.stop].flatten(0, 1).double()
    normal = around.T @ around
    normal.diagonal().add_(RIDGE * float(normal.diagonal().mean()))
    taps = torch.linalg.solve(normal, around.T @ wanted)
    if isinstance(network, MeanNetwork):
        network.taps.copy_(taps.T)
    left: Tensor = (wanted - around @ taps).square().mean(0).sqrt().float()
    return left
