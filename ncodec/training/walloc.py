"""The recipes of the `walloc` codec: one variable-rate model a medium, for mean squared error."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ncodec.datasets.pictures import PictureCrops
from ncodec.datasets.sounds import SoundCrops
from ncodec.models.blocks import lay_out
from ncodec.models.rates import rate_lambda
from ncodec.models.walloc import Walloc
from ncodec.models.walloc_medium import LEVEL, PICTURE, SAMPLE_RATE, SOUND, Medium
from ncodec.training import export_walloc, start_walloc
from ncodec.training.loop import Recipe, Settings, StepResult, slowed, strata
from ncodec.training.restore_walloc import restore

START_BATCHES, START_BATCH = 100, 4
START_CROP = 256
SHARES = {"music": 0.75, "speech": 0.15, "sound": 0.10}
SHORTEST = 32_768
"""Samples of a sound's crop, at least."""
LEVEL_DB, MONO = 5.0, 0.15
"""How far levels of crops scatter, and how often both channels are the same."""
LINEAR_FACTOR = 0.05
"""Linear maps learn slowly: they sum over many inputs, and start from what was fitted."""
LINEAR = ("analysis.", "synthesis.linear.", "prior.means.")


class WallocRecipe(Recipe):
    """Minimises lambda times a squared error plus bits, lambda drawn anew for each crop."""

    medium: Medium

    def __init__(self, folder: Path, settings: Settings, device: torch.device) -> None:
        torch.manual_seed(settings.seed)
        self.folder, self.device = folder, device
        self.load(folder, settings)
        self.model: Walloc = Walloc(self.medium)
        if settings.start:
            restore(self.model, Path(settings.start))
        else:
            random = np.random.default_rng(settings.seed)
            start_walloc.start(self.model, lambda: self.bands(random), START_BATCHES)
        self.model.to(device)
        lay_out(self.model, torch.channels_last)

    def load(self, folder: Path, settings: Settings) -> None:
        """Read the training data."""
        raise TypeError(f"{type(self).__name__} reads nothing")

    def draw(self, count: int, size: int, random: np.random.Generator) -> Tensor:
        """`count` crops of `size`: samples as the model takes them."""
        raise TypeError(f"{type(self).__name__} draws nothing")

    def losses(self, made: Tensor, bands: Tensor, samples: Tensor) -> Tensor:
        """Squared errors [B] of bands, in units of which lambda is the price in bits."""
        raise TypeError(f"{type(self).__name__} has no loss")

    def bands(self, random: np.random.Generator) -> Tensor:
        """A batch of wavelet bands to fit what training starts from."""
        return self.medium.packets(self.draw(START_BATCH, START_CROP, random))

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The linear maps learn slowly, everything else at full speed."""
        return slowed(self.model, LINEAR, LINEAR_FACTOR)

    def step(self, settings: Settings, random: np.random.Generator) -> StepResult:
        """One batch; each crop's loss is divided by sqrt(lambda), so that no rate drowns others."""
        samples = self.draw(settings.batch, settings.crop, random).to(self.device)
        rate = torch.tensor(list(strata(settings.batch, random))).float().to(self.device)
        bands = self.medium.packets(samples)
        out = self.model(bands, rate)
        errors = self.losses(out.bands.float(), bands, samples)
        cost = out.bits * (self.medium.channels / samples[0].numel())
        multiplier = rate_lambda(rate)
        loss = (multiplier * errors + cost) / multiplier.sqrt()
        return StepResult(loss.mean(), _figures(errors, cost, rate))

    def write(
        self, average: dict[str, Tensor], path: Path, settings: Settings
    ) -> Mapping[str, str]:
        """See `Recipe.write`."""
        model = Walloc(self.medium)
        model.load_state_dict(average)
        return export_walloc.export(model.requires_grad_(False), self.draw, path)


class PictureRecipe(WallocRecipe):
    """Pictures: mean squared error of pixels against bits a pixel."""

    name, medium = "walloc_image", PICTURE

    def load(self, folder: Path, settings: Settings) -> None:
        """Read all pictures of a folder."""
        self.data = PictureCrops(folder, settings.crop)

    def draw(self, count: int, size: int, random: np.random.Generator) -> Tensor:
        """Pixels minus 0.5 [B, 3, size, size], smaller where pictures are."""
        return self.data.batch(count, min(size, self.data.smallest), random)

    def losses(self, made: Tensor, bands: Tensor, samples: Tensor) -> Tensor:
        """Mean squared error of pixels 0..255."""
        pixels = self.medium.unpack(made)
        return 255**2 * (pixels - samples).square().mean((1, 2, 3))


class SoundRecipe(WallocRecipe):
    """Stereo: mean squared error of weighted bands against bits a sample of both channels."""

    name, medium = "walloc_audio", SOUND

    def load(self, folder: Path, settings: Settings) -> None:
        """Read all sounds of a folder."""
        self.data = read_sounds(folder)

    def draw(self, count: int, size: int, random: np.random.Generator) -> Tensor:
        """See `draw_sounds`."""
        return draw_sounds(self.data, count, size, random)

    def losses(self, made: Tensor, bands: Tensor, samples: Tensor) -> Tensor:
        """Mean squared error of weighted bands, in steps of 255 as for pictures."""
        return 255**2 * (made - bands).square().mean((1, 2, 3))


def read_sounds(folder: Path) -> SoundCrops:
    """All sounds of a folder, music most of all."""
    return SoundCrops(folder, SAMPLE_RATE, SOUND.channels, SHARES, speeds=())


def draw_sounds(data: SoundCrops, count: int, size: int, random: np.random.Generator) -> Tensor:
    """Samples [B, 2, T] at the level that coding brings them to, or near it."""
    length = max(size, SHORTEST) // SOUND.stride * SOUND.stride
    samples = torch.from_numpy(data.batch(count, length, random)).transpose(1, 2)
    level = torch.from_numpy(random.normal(0, LEVEL_DB, (count, 1, 1))).float()
    samples = samples.contiguous() * (LEVEL * 10 ** (level / 20))
    alone = torch.from_numpy(random.random((count, 1, 1)) < MONO)
    return torch.where(alone, samples.mean(1, keepdim=True), samples)


def _figures(errors: Tensor, cost: Tensor, rate: Tensor) -> dict[str, float]:
    psnr = -10 * (errors.detach() / 255**2).clamp_min(1e-10).log10()
    low, high = int(rate.argmin()), int(rate.argmax())
    return {
        "bpp": cost.mean().item(),
        "psnr": psnr.mean().item(),
        "low_bpp": cost[low].item(),
        "low_psnr": psnr[low].item(),
        "high_bpp": cost[high].item(),
        "high_psnr": psnr[high].item(),
    }
