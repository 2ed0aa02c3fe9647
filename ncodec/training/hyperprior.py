"""The recipe of the `hyperprior` codec: one variable-rate model for mean squared error."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ncodec.datasets.pictures import PictureCrops
from ncodec.models.blocks import lay_out
from ncodec.models.hyperprior import Hyperprior
from ncodec.models.rates import KNOTS, rate_lambda
from ncodec.training.export_hyperprior import export
from ncodec.training.linear_fit import fit_lapped_basis
from ncodec.training.loop import Recipe, Settings, StepResult, strata
from ncodec.training.restore_hyperprior import restore

# At this lambda a quantiser step of 1 is right for the linear transform times START_SCALE.
START_LAMBDA, START_SCALE = 0.013, 5.0
SMALLEST_SPREAD = 0.3
# Fan-in of 768: larger steps make the linear layers explode.
LINEAR_FACTOR = 0.02


class HyperpriorRecipe(Recipe):
    """Minimises lambda 255^2 MSE + bits a pixel, lambda drawn anew for each crop."""

    name = "hyperprior"

    def __init__(self, folder: Path, settings: Settings, device: torch.device) -> None:
        torch.manual_seed(settings.seed)
        self.folder, self.device = folder, device
        self.data = PictureCrops(folder, settings.crop)
        self.model = Hyperprior()
        if settings.start:
            restore(self.model, Path(settings.start))
        else:
            start_from_linear(self.model, self.data, np.random.default_rng(settings.seed))
        self.model.to(device)
        lay_out(self.model, torch.channels_last)
        self.forward = torch.compile(self.model) if settings.compile else self.model

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The linear transforms learn slowly, everything else at full speed."""
        linear = [p for n, p in self.model.named_parameters() if ".linear." in n]
        others = [p for n, p in self.model.named_parameters() if ".linear." not in n]
        return [{"params": others, "factor": 1.0}, {"params": linear, "factor": LINEAR_FACTOR}]

    def step(self, settings: Settings, random: np.random.Generator) -> StepResult:
        """One batch; each crop's loss is divided by sqrt(lambda), so that no rate drowns others."""
        pixels = self.data.batch(settings.batch, settings.crop, random).to(
            self.device, memory_format=torch.channels_last
        )
        rate = torch.tensor(list(strata(settings.batch, random))).float().to(self.device)
        out = self.forward(pixels, rate)
        area = pixels.shape[-1] * pixels.shape[-2]
        mse = (out.pixels.float() - pixels).square().mean((1, 2, 3))
        bpp = (out.latent_bits + out.hyper_bits) / area
        multiplier = rate_lambda(rate)
        loss = (multiplier * 255**2 * mse + bpp) / multiplier.sqrt()
        figures = _figures(mse, bpp, out.hyper_bits / area, rate)
        return StepResult(loss.mean(), figures)

    def write(
        self, average: dict[str, Tensor], path: Path, settings: Settings
    ) -> Mapping[str, str]:
        """See `Recipe.write`."""
        model = Hyperprior()
        model.load_state_dict(average)
        return export(model.requires_grad_(False), self.data, path)


def _figures(mse: Tensor, bpp: Tensor, hyper: Tensor, rate: Tensor) -> dict[str, float]:
    psnr = -10 * mse.detach().clamp_min(1e-10).log10()
    low, high = int(rate.argmin()), int(rate.argmax())
    return {
        "bpp": bpp.mean().item(),
        "psnr": psnr.mean().item(),
        "hyper_bpp": hyper.mean().item(),
        "low_bpp": bpp[low].item(),
        "low_psnr": psnr[low].item(),
        "high_bpp": bpp[high].item(),
        "high_psnr": psnr[high].item(),
    }


@torch.no_grad()
def start_from_linear(model: Hyperprior, data: PictureCrops, random: np.random.Generator) -> None:
    """Set the model to a working codec: fitted transform, gains and scales to match.

    The networks beside it start silent. Random weights spend hours on what this gives
    within a minute.
    """
    basis, deviations = fit_lapped_basis(data, model.spread.shape[1], random)
    spread = (START_SCALE * deviations).clamp_min(SMALLEST_SPREAD)
    scale = (START_SCALE / spread)[:, None]
    model.analysis.linear.basis.copy_(basis * scale)
    model.synthesis.linear.basis.copy_(basis / scale)
    model.spread.copy_(spread[None, :, None, None])
    model.scale_prior.head.weight.mul_(0.1)
    starts = (START_SCALE * deviations).clamp_min(0.01).log()
    model.scale_prior.head.bias = nn.Parameter(starts)
    for layer in (
        model.analysis.network[-1],
        model.synthesis.fine[-2],
        model.scale_prior.last,
        model.context.anchor_head,
        model.context.head[-1],
    ):
        for parameter in layer.parameters():
            parameter.zero_()
    rates = torch.linspace(0, 1, KNOTS)
    gains = 0.5 * (rate_lambda(rates) / START_LAMBDA).log()
    model.log_gain.values.copy_(gains[:, None].expand_as(model.log_gain.values))
    model.hyper_log_gain.values.fill_(np.log(4.0))
    model.hyper_log_scale.values.fill_(np.log(2.0))
