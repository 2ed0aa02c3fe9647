"""Train a picture codec's synthesis alone, on latents as files hold them.

Training of the whole model rounds by noise or by a trick with gradients, and knows nothing of
decisions that spare bits, of reconstruction points or of weights in eight bits. Here the finished
codec encodes; only what makes pixels of dequantised latents goes on learning. The model id stays
the same: files that were written before are decoded better too.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ncodec.codecs.hyperprior import HyperpriorCodec
from ncodec.codecs.hyperprior_latents import MEANING as HYPERPRIOR_MEANING
from ncodec.codecs.rate_steps import RATE_STEPS
from ncodec.codecs.tiled_picture import TiledPictureCodec
from ncodec.codecs.walloc import WallocPictures
from ncodec.codecs.walloc_latents import MEANING as WALLOC_MEANING
from ncodec.codecs.weights import (
    Arrays,
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
from ncodec.models.walloc_medium import PICTURE
from ncodec.training.loop import Recipe, Settings, StepResult, slowed, strata
from ncodec.training.weights_file import write_weights

PREFIX = "model/synthesis."
LINEAR, LINEAR_FACTOR = "linear.", 0.02
"""Linear transforms learn slowly: they sum over many inputs."""
TOWARDS_HIGH = 0.8
"""Rates in 0..1 are drawn to this power: what is nearly lossless has most to gain."""


class DecoderRecipe(Recipe):
    """Minimises the squared error of decoded pixels at all rates."""

    meaning: tuple[str, ...]
    codec: type[Any]

    def __init__(self, folder: Path, settings: Settings, device: torch.device) -> None:
        if not settings.start:
            raise OptionError("a decoder alone is trained for finished weights; give --start")
        torch.manual_seed(settings.seed)
        self.folder, self.device = folder, device
        self.data = PictureCrops(folder, settings.crop)
        self.arrays: Arrays = read_verified(Path(settings.start), self.meaning)[0]
        self.encoder: TiledPictureCodec = self.codec(Path(settings.start), str(device))
        self.model = self.synthesis().requires_grad_(True)
        self.model.load_state_dict(unpack_module(self.arrays, PREFIX))
        self.model.to(device)
        lay_out(self.model, torch.channels_last)

    def synthesis(self) -> nn.Module:
        """The network that is trained, of any weights."""
        raise TypeError(f"{type(self).__name__} has no synthesis")

    def pixels(self, made: Tensor) -> Tensor:
        """What the network puts out as pixels minus 0.5."""
        return made

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The linear transform learns slowly, everything else at full speed."""
        return slowed(self.model, (LINEAR,), LINEAR_FACTOR)

    def step(self, settings: Settings, random: np.random.Generator) -> StepResult:
        """One batch; each crop's error is worth the square root of its rate's lambda."""
        planes = self.data.batch(settings.batch, settings.crop, random).to(self.device)
        steps = [round(x**TOWARDS_HIGH * (RATE_STEPS - 1)) for x in strata(len(planes), random)]
        latents = torch.cat(list(self._latents(planes, steps)))
        rate = torch.tensor(steps, device=self.device) / (RATE_STEPS - 1)
        error = (self.pixels(self.model(latents, rate)).float() - planes).square().mean((1, 2, 3))
        loss = 255**2 * error * rate_lambda(rate).sqrt()
        psnr = -10 * error.detach().clamp_min(1e-10).log10()
        high, low = psnr[int(rate.argmax())].item(), psnr[int(rate.argmin())].item()
        figures = {"psnr": psnr.mean().item(), "high_psnr": high, "low_psnr": low}
        return StepResult(loss.mean(), figures)

    @torch.no_grad()
    def _latents(self, planes: Tensor, steps: list[int]) -> Iterator[Tensor]:
        """Latents [1, M, h, w] of each crop, as they come out of a file."""
        coder = self.encoder.latents
        with torch.autocast(self.device.type, enabled=False):
            for item, step in zip(planes, steps, strict=True):
                pixels = ((item[None] + 0.5) * 255).round().to(torch.uint8)
                y = self.encoder.analysis(pixels.contiguous(memory_format=torch.channels_last))
                payload, _ = coder.encode(y, step)
                yield coder.decode(payload, y.shape[2], y.shape[3], step).clone()

    def write(
        self, average: dict[str, Tensor], path: Path, settings: Settings
    ) -> Mapping[str, str]:
        """The weights file that was started from, with the synthesis as it is now."""
        synthesis = pack_module(average, PREFIX)
        arrays = {**self.arrays, **synthesis}
        return write_weights(path, arrays, self.meaning, synthesis=PREFIX)


class HyperpriorDecoder(DecoderRecipe):
    """Of the `hyperprior` codec."""

    name, meaning, codec = "hyperprior", HYPERPRIOR_MEANING, HyperpriorCodec

    def synthesis(self) -> nn.Module:
        """See `DecoderRecipe.synthesis`."""
        return Hyperprior().synthesis


class WallocDecoder(DecoderRecipe):
    """Of the `walloc` codec, for pictures."""

    name, meaning, codec = "walloc_image", WALLOC_MEANING, WallocPictures

    def synthesis(self) -> nn.Module:
        """See `DecoderRecipe.synthesis`."""
        return Walloc(PICTURE).synthesis

    def pixels(self, made: Tensor) -> Tensor:
        """See `DecoderRecipe.pixels`."""
        return PICTURE.unpack(made)
