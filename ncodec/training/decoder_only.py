"""Train a codec's synthesis alone, on latents as files hold them.

Training of the whole model rounds by noise or by a trick with gradients, and knows nothing of
decisions that spare bits, of reconstruction points or of weights in eight bits. Here the finished
codec encodes; only what makes pixels or sound of dequantised latents goes on learning. The model id
stays the same: files that were written before are decoded better too.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ncodec.codecs.hyperprior import HyperpriorCodec
from ncodec.codecs.hyperprior_latents import MEANING as HYPERPRIOR_MEANING
from ncodec.codecs.rate_steps import RATE_STEPS
from ncodec.codecs.walloc import WallocPictures
from ncodec.codecs.walloc_latents import meaning
from ncodec.codecs.walloc_sound import WallocSounds
from ncodec.codecs.weights import (
    pack_module,
    read_verified,
    unpack_module,
)
from ncodec.datasets.pictures import PictureCrops
from ncodec.errors import OptionError
from ncodec.models.blocks import lay_out
from ncodec.models.hyperprior import Hyperprior
from ncodec.models.rates import rate_lambda
from ncodec.models.walloc import Walloc
from ncodec.models.walloc_medium import PICTURE, SOUND
from ncodec.training.loop import Recipe, Settings, StepResult, slowed, strata
from ncodec.training.walloc import draw_sounds, read_sounds
from ncodec.training.weights_file import write_weights

PREFIX = "model/synthesis."
LINEAR, LINEAR_FACTOR = "linear.", 0.02
"""Linear transforms learn slowly: they sum over many inputs."""
TOWARDS_HIGH = 0.8
"""Rates in 0..1 are drawn to this power: what is nearly lossless has most to gain."""


class DecoderRecipe(Recipe):
    """Minimises the squared error of what is decoded, at all rates."""

    meaning: tuple[str, ...]
    codec: type[Any]
    linear_factor: float = LINEAR_FACTOR

    def __init__(self, folder: Path, settings: Settings, device: torch.device) -> None:
        if not settings.start:
            raise OptionError("a decoder alone is trained for finished weights; give --start")
        torch.manual_seed(settings.seed)
        self.folder, self.device = folder, device
        self.load(folder, settings)
        self.arrays = read_verified(Path(settings.start), self.meaning)[0]
        self.encoder: Any = self.codec(Path(settings.start), str(device))
        self.model = self.synthesis().requires_grad_(True)
        self.model.load_state_dict(unpack_module(self.arrays, PREFIX))
        self.model.to(device)
        lay_out(self.model, torch.channels_last)

    def load(self, folder: Path, settings: Settings) -> None:
        """Read the training data: pictures, unless told otherwise."""
        self.pictures = PictureCrops(folder, settings.crop)

    def synthesis(self) -> nn.Module:
        """The network that is trained, of any weights."""
        raise TypeError(f"{type(self).__name__} has no synthesis")

    def draw(self, settings: Settings, random: np.random.Generator) -> Tensor:
        """A batch of samples."""
        return self.pictures.batch(settings.batch, settings.crop, random)

    def wanted(self, samples: Tensor) -> Tensor:
        """What is to be decoded of samples."""
        return samples

    def made(self, out: Tensor) -> Tensor:
        """What the network puts out, to hold against what is wanted."""
        return out

    def analysed(self, sample: Tensor) -> Tensor:
        """The latent [1, M, h, w] of one of the samples [1, ...], as the finished codec has it."""
        pixels = ((sample + 0.5) * 255).round().to(torch.uint8)
        found: Tensor = self.encoder.analysis(pixels.contiguous(memory_format=torch.channels_last))
        return found

    def coded(self, sample: Tensor, step: int) -> Tensor:
        """The same as it comes out of a file."""
        y = self.analysed(sample)
        payload, _ = self.encoder.latents.encode(y, step)
        found: Tensor = self.encoder.latents.decode(payload, y.shape[2], y.shape[3], step)
        return found

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The linear transform learns slowly, everything else at full speed."""
        return slowed(self.model, (LINEAR,), self.linear_factor)

    def step(self, settings: Settings, random: np.random.Generator) -> StepResult:
        """One batch; each crop's error is worth the square root of its rate's lambda."""
        samples = self.draw(settings, random).to(self.device)
        steps = [round(x**TOWARDS_HIGH * (RATE_STEPS - 1)) for x in strata(len(samples), random)]
        latents, wanted = self._pairs(samples, steps)
        rate = torch.tensor(steps, device=self.device) / (RATE_STEPS - 1)
        error = (self.made(self.model(latents, rate)).float() - wanted).square().mean((1, 2, 3))
        loss = 255**2 * error * rate_lambda(rate).sqrt()
        psnr = -10 * error.detach().clamp_min(1e-10).log10()
        high, low = psnr[int(rate.argmax())].item(), psnr[int(rate.argmin())].item()
        figures = {"psnr": psnr.mean().item(), "high_psnr": high, "low_psnr": low}
        return StepResult(loss.mean(), figures)

    @torch.no_grad()
    def _pairs(self, samples: Tensor, steps: list[int]) -> tuple[Tensor, Tensor]:
        """Latents of a batch, and what is to be made of them."""
        with torch.autocast(self.device.type, enabled=False):
            found = [
                self.coded(item[None], step) for item, step in zip(samples, steps, strict=True)
            ]
            return torch.cat(found), self.wanted(samples)

    def write(
        self, average: dict[str, Tensor], path: Path, settings: Settings
    ) -> Mapping[str, str]:
        """The weights file that was started from, with the synthesis as it is now."""
        fixed = tuple(f"model/{name}" for name in self.meaning)
        found = pack_module(average, PREFIX)
        arrays = self.arrays | {k: v for k, v in found.items() if not k.startswith(fixed)}
        return write_weights(path, arrays, self.meaning, synthesis=PREFIX)


class HyperpriorDecoder(DecoderRecipe):
    """Of the `hyperprior` codec."""

    name, meaning, codec = "hyperprior", HYPERPRIOR_MEANING, HyperpriorCodec

    def synthesis(self) -> nn.Module:
        """See `DecoderRecipe.synthesis`."""
        return Hyperprior().synthesis


class WallocDecoder(DecoderRecipe):
    """Of the `walloc` codec, for pictures."""

    name, meaning, codec = "walloc_image", meaning(PICTURE), WallocPictures

    def synthesis(self) -> nn.Module:
        """See `DecoderRecipe.synthesis`."""
        return Walloc(PICTURE).synthesis

    def made(self, out: Tensor) -> Tensor:
        """See `DecoderRecipe.made`."""
        return PICTURE.unpack(out)


class WallocSoundDecoder(DecoderRecipe):
    """Of the `walloc` codec, for sounds; the linear part stays, since noise is relative to it."""

    name, meaning, codec = "walloc_audio", meaning(SOUND), WallocSounds
    linear_factor = 0.0

    def load(self, folder: Path, settings: Settings) -> None:
        """See `DecoderRecipe.load`."""
        self.sounds = read_sounds(folder)

    def synthesis(self) -> nn.Module:
        """See `DecoderRecipe.synthesis`."""
        return Walloc(SOUND).synthesis

    def draw(self, settings: Settings, random: np.random.Generator) -> Tensor:
        """See `DecoderRecipe.draw`."""
        return draw_sounds(self.sounds, settings.batch, settings.crop, random)

    def wanted(self, samples: Tensor) -> Tensor:
        """The weighted bands."""
        return SOUND.packets(samples)

    def analysed(self, sample: Tensor) -> Tensor:
        """See `DecoderRecipe.analysed`."""
        found: Tensor = self.encoder.model.analysis(SOUND.packets(sample))
        return found
