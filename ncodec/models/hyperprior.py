"""The variable-rate mean-scale hyperprior.

After Minnen, Ballé, Toderici, "Joint Autoregressive and Hierarchical Priors for Learned Image
Compression" (NeurIPS 2018), without its autoregression: scales depend on the hyperlatent only and
pass through an exact integer network at coding time; means may also use a checkerboard context.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ncodec.models.blocks import RateTable, add_noise, checkerboard, round_through
from ncodec.models.transforms import (
    AnalysisTransform,
    HyperAnalysis,
    HyperSynthesis,
    MeanContext,
    SynthesisTransform,
)

LATENTS = 384
HYPER = 96
FEATURES = 128
KNOTS = 9
LAMBDA_MIN, LAMBDA_MAX = 0.0012, 0.2
SCALE_MIN, SCALE_MAX, SCALES = 0.06, 256.0, 64
SLOPE = 6 / math.log(2)
"""Bits worth one squared quantiser step, at the step size where rate and distortion balance."""
LOG_SCALE_STEP = math.log(SCALE_MAX / SCALE_MIN) / (SCALES - 1)
STRIDE = 16
TRAINING_ONLY = (
    "hyper_scale",
    "scale_shift",
    "hyper_log_gain",
    "hyper_center",
    "hyper_log_scale",
)
HYPER_STRIDE = 64


def rate_lambda(rate: Tensor) -> Tensor:
    """Rate 0..1 -> Lagrange multiplier of 255^2 MSE against bits a pixel, log-uniform."""
    return LAMBDA_MIN * (LAMBDA_MAX / LAMBDA_MIN) ** rate


@dataclass
class Forward:
    """What one training step needs: pixels minus 0.5 [B, 3, H, W] and bits a picture [B]."""

    pixels: Tensor
    latent_bits: Tensor
    hyper_bits: Tensor


def logistic_bits(value: Tensor, log_scale: Tensor) -> Tensor:
    """-log2 of a zero-mean logistic distribution's mass over value ± 0.5, elementwise.

    `log_scale` is the logarithm of the standard deviation. Written with logarithms of sigmoids
    only, so that outliers keep a gradient: with a Gaussian they lose it, and training explodes.
    """
    inverse = torch.exp(-log_scale.clamp(math.log(SCALE_MIN), math.log(SCALE_MAX)))
    inverse = inverse * (math.pi / math.sqrt(3))
    magnitude = value.abs()
    upper = F.logsigmoid((0.5 - magnitude) * inverse)
    lower = F.logsigmoid((0.5 + magnitude) * inverse)
    return (upper + lower + torch.log1p(-torch.exp(-inverse))) * (-1 / math.log(2))


def round_priced(value: Tensor, log_scale: Tensor) -> Tensor:
    """Round as the encoder does, with the gradient of the identity: ones that are dear become 0.

    A one is given up where the bits it costs are worth more than the error of leaving it out.
    """
    with torch.no_grad():
        one, zero = torch.ones_like(value), torch.zeros_like(value)
        price = logistic_bits(one, log_scale) - logistic_bits(zero, log_scale)
        level = value.round()
        dear = (level.abs() == 1) & (value.abs() < 0.5 + price / (2 * SLOPE))
        level = torch.where(dear, zero, level)
    return value + (level - value).detach()


class Hyperprior(nn.Module):
    """All networks of the codec; `forward` is the training pass."""

    spread: Tensor

    def __init__(self, latents: int = LATENTS, hyper: int = HYPER) -> None:
        super().__init__()
        self.analysis = AnalysisTransform(latents)
        self.synthesis = SynthesisTransform(latents, KNOTS)
        self.hyper_analysis = HyperAnalysis(latents, hyper)
        self.hyper_scale = HyperSynthesis(hyper, latents)
        self.hyper_mean = HyperSynthesis(hyper, FEATURES)
        self.context = MeanContext(FEATURES, latents)
        self.log_gain = RateTable(KNOTS, latents)
        self.scale_shift = RateTable(KNOTS, latents)
        self.hyper_log_gain = RateTable(KNOTS, hyper)
        self.hyper_center = RateTable(KNOTS, hyper)
        self.hyper_log_scale = RateTable(KNOTS, hyper)
        self.register_buffer("spread", torch.ones(1, latents, 1, 1))

    @classmethod
    def for_coding(cls) -> "Hyperprior":
        """A model without the parts that only training has: an exact twin decides scales."""
        model = cls()
        for name in TRAINING_ONLY:
            delattr(model, name)
        return model

    def means(self, features: Tensor, dequantise: Callable[[Tensor], Tensor]) -> Tensor:
        """Means [B, M, h, w]; `dequantise` turns means into latents."""
        board = checkerboard(features)
        anchor_mean = self.context.anchors(features)
        known = dequantise(anchor_mean) * board
        return torch.where(board, anchor_mean, self.context.others(features, known))

    def forward(self, x: Tensor, rate: Tensor) -> Forward:
        """Pictures minus 0.5 [B, 3, H, W] (multiples of 64) at rates [B] in 0..1."""
        y = self.analysis(x, self.spread)
        z = self.hyper_analysis(y).float()
        hyper_gain = self.hyper_log_gain(rate).exp()
        scaled_z = z * hyper_gain
        z_hat = round_through(scaled_z) / hyper_gain
        hyper_value = add_noise(scaled_z) - self.hyper_center(rate)
        hyper_bits = logistic_bits(hyper_value, self.hyper_log_scale(rate))
        with torch.autocast(x.device.type, enabled=False):
            shift = self.scale_shift(rate) + self.log_gain(rate)
            log_scale = self.hyper_scale(z_hat).float() + shift
        gain = self.log_gain(rate).exp() * self.spread
        features = self.hyper_mean(z_hat).float()

        def dequantise(mean: Tensor) -> Tensor:
            latent: Tensor = round_priced((y - mean) * gain, log_scale) / gain + mean
            return latent

        mean = self.means(features, dequantise)
        latent_bits = logistic_bits(add_noise((y - mean) * gain), log_scale)
        pixels = self.synthesis(dequantise(mean), rate)
        return Forward(pixels, latent_bits.sum((1, 2, 3)), hyper_bits.sum((1, 2, 3)))
