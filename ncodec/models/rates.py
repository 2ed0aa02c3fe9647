"""What variable-rate models share: rates, scales, and the bits that a rounded value costs."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

KNOTS = 9
LAMBDA_MIN, LAMBDA_MAX = 0.0012, 0.2
SCALE_MIN, SCALE_MAX, SCALES = 0.06, 256.0, 64
SLOPE = 6 / math.log(2)
"""Bits worth one squared quantiser step, at the step size where rate and distortion balance."""
LOG_SCALE_STEP = math.log(SCALE_MAX / SCALE_MIN) / (SCALES - 1)


def rate_lambda(rate: Tensor) -> Tensor:
    """Rate 0..1 -> Lagrange multiplier of 255^2 MSE against bits a pixel, log-uniform."""
    return LAMBDA_MIN * (LAMBDA_MAX / LAMBDA_MIN) ** rate


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
