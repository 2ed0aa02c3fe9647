"""The `hyperprior` codec: pictures through a variable-rate mean-scale hyperprior, tile by tile."""

from pathlib import Path

import torch
from torch import Tensor

from ncodec.codecs.hyperprior_latents import MEANING, LatentCoder
from ncodec.codecs.tiled_picture import TiledPictureCodec
from ncodec.codecs.weights import load_module, read_verified
from ncodec.models.blocks import lay_out, narrow, narrow_weights
from ncodec.models.hyperprior import STRIDE, Hyperprior


class HyperpriorCodec(TiledPictureCodec):
    """Encodes and decodes pictures; see `ImageCodec` for the contract."""

    name = "hyperprior"
    stride = STRIDE
    encoder_halo = 64
    decoder_halo = 7 * STRIDE

    latents: LatentCoder

    def __init__(self, weights: Path, device: str = "cpu") -> None:
        """Load weights onto a device. Raises `ModelError`s; runs the exact network's self-test."""
        arrays, identity = read_verified(weights, MEANING)
        self.model_id = identity[:4]
        self.device = torch.device(device)
        self.model = Hyperprior.for_coding()
        load_module(self.model, arrays, "model/")
        self.model.to(self.device)
        lay_out(self.model, torch.channels_last)
        for part in (self.model.analysis, self.model.hyper_analysis, self.model.synthesis):
            narrow_weights(part, self.device)
        self.model.eval().requires_grad_(False)
        self.latents = LatentCoder(self.model, arrays, self.device)

    def analysis(self, pixels: Tensor) -> Tensor:
        """See `TiledPictureCodec.analysis`."""
        planes = pixels.float().div_(255).sub_(0.5)  # Still channels last in memory.
        with narrow(self.device):
            y: Tensor = self.model.analysis(planes, self.model.spread)
        return y

    def synthesis(self, latent: Tensor, rate: Tensor) -> Tensor:
        """See `TiledPictureCodec.synthesis`."""
        with narrow(self.device):
            planes: Tensor = self.model.synthesis(latent, rate)
        return planes
