"""The variable-rate mean-scale hyperprior.

After Minnen, Ballé, Toderici, "Joint Autoregressive and Hierarchical Priors for Learned Image
Compression" (NeurIPS 2018), with a checkerboard in place of its autoregression (He et al.,
"Checkerboard Context Model for Efficient Learned Image Compression", CVPR 2021): half of the
latent, the anchors, is coded from the hyperlatent alone, the other half knows the anchors around
it. At coding time scales come from exact integer twins of their networks; means are floating point.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ncodec.models.blocks import RateTable, add_noise, checkerboard, round_through
from ncodec.models.rates import KNOTS, logistic_bits, round_priced
from ncodec.models.transforms import (
    AnalysisTransform,
    HyperAnalysis,
    HyperSynthesis,
    MeanContext,
    ScalePrior,
    SynthesisTransform,
)

LATENTS = 384
HYPER = 96
FEATURES = 128
HIDDEN = 64
STRIDE = 16
TRAINING_ONLY = (
    "scale_prior",
    "scale_shift",
    "hyper_log_gain",
    "hyper_center",
    "hyper_log_scale",
)
HYPER_STRIDE = 64


@dataclass
class Forward:
    """What one training step needs: pixels minus 0.5 [B, 3, H, W] and bits a picture [B]."""

    pixels: Tensor
    latent_bits: Tensor
    hyper_bits: Tensor


class Hyperprior(nn.Module):
    """All networks of the codec; `forward` is the training pass."""

    spread: Tensor

    def __init__(self, latents: int = LATENTS, hyper: int = HYPER) -> None:
        super().__init__()
        self.analysis = AnalysisTransform(latents)
        self.synthesis = SynthesisTransform(latents, KNOTS)
        self.hyper_analysis = HyperAnalysis(latents, hyper)
        self.scale_prior = ScalePrior(hyper, latents, HIDDEN)
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

    def forward(self, x: Tensor, rate: Tensor) -> Forward:
        """Pictures minus 0.5 [B, 3, H, W] (multiples of 64) at rates [B] in 0..1."""
        y = self.analysis(x, self.spread)
        z_hat, hyper_bits = self._hyperlatent(y, rate)
        mean, log_scale = self._prior(y, z_hat, rate)
        gain = self.gain(rate)
        residual = (y - mean) * gain
        latent_bits = logistic_bits(add_noise(residual), log_scale)
        pixels = self.synthesis(round_priced(residual, log_scale) / gain + mean, rate)
        return Forward(pixels, latent_bits.sum((1, 2, 3)), hyper_bits.sum((1, 2, 3)))

    def gain(self, rate: Tensor) -> Tensor:
        """What latents are multiplied by before rounding, [B, M, 1, 1]."""
        gain: Tensor = self.log_gain(rate).exp() * self.spread
        return gain

    def _hyperlatent(self, y: Tensor, rate: Tensor) -> tuple[Tensor, Tensor]:
        """The rounded hyperlatent and its bits, elementwise."""
        z = self.hyper_analysis(y).float()
        gain = self.hyper_log_gain(rate).exp()
        value = add_noise(z * gain) - self.hyper_center(rate)
        bits = logistic_bits(value, self.hyper_log_scale(rate))
        return round_through(z * gain) / gain, bits

    def _prior(self, y: Tensor, z_hat: Tensor, rate: Tensor) -> tuple[Tensor, Tensor]:
        """Means and log scales of the latent, both [B, M, h, w]."""
        board = checkerboard(y)
        features = self.hyper_mean(z_hat).float()
        anchor_mean, gain = self.context.anchors(features), self.gain(rate)
        with torch.autocast(y.device.type, enabled=False):
            scale_features = self.scale_prior.trunk(z_hat)
            shift = self.scale_shift(rate) + self.log_gain(rate)
            log_scale = self.scale_prior.head(scale_features) + shift
        anchors = round_priced((y - anchor_mean) * gain, log_scale) * board
        known = (anchors / gain + anchor_mean) * board
        others = self.context.others(features, self.context.around(known))
        mean = torch.where(board, anchor_mean, others)
        surprise = self.scale_prior.surprise(scale_features, anchors).float()
        return mean, torch.where(board, log_scale, log_scale + surprise)
