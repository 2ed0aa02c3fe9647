"""Metrics of pictures: PSNR and MS-SSIM; `perceptual` has those of what people see.

All take two tensors or arrays [B, C, H, W] of equal shape, uint8 (0..255) or floating point (0..1),
and return one value a picture, float64 [B]. Means over pictures are plain means of these values, of
decibels too: that is how curves are usually published.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ncodec.errors import InputError, OptionError
from ncodec.evaluation.results import CEILING_DB

if TYPE_CHECKING:
    import torch

Pictures: TypeAlias = "torch.Tensor | NDArray[Any]"
Values = NDArray[np.float64]

SMALLEST_SIDE = 161
"""MS-SSIM halves a picture four times and then needs the 11 pixels of its window."""


def psnr(original: Pictures, decoded: Pictures) -> Values:
    """Peak signal-to-noise ratio over all channels and pixels of a picture, in dB, [B].

    10 log10(1 / MSE) for samples in 0..1; 100 where the pictures are equal or that is more.
    `InputError` for shapes, types or ranges that are not pictures'.
    """
    ours, theirs = pair(original, decoded)
    # Plane by plane: a large picture takes eight times its size in float64.
    planes = [
        [_mse(x, y) for x, y in zip(*both, strict=True)] for both in zip(ours, theirs, strict=True)
    ]
    return _decibels(np.array(planes).mean(1))


def ms_ssim(original: Pictures, decoded: Pictures) -> Values:
    """Multi-scale structural similarity, plain, at most 1, [B]: pytorch-msssim's.

    Five scales, an 11x11 Gaussian window of sigma 1.5, C1 = 0.01^2 and C2 = 0.03^2 for samples in
    0..1, means over pixels and then channels, in float32 (Wang, Simoncelli and Bovik 2003). NaN
    for pictures with a side below 161 pixels, which have no fifth scale. `InputError` as `psnr`,
    `OptionError` where pytorch-msssim is not installed.
    """
    try:
        import pytorch_msssim
        import torch
    except ModuleNotFoundError as error:
        raise missing("MS-SSIM", error) from error
    ours, theirs = pair(original, decoded)
    if min(ours.shape[2:]) < SMALLEST_SIDE:
        return np.full(len(ours), np.nan)
    planes = [torch.from_numpy(unit(x).astype(np.float32)) for x in (ours, theirs)]
    with torch.inference_mode():
        values = pytorch_msssim.ms_ssim(*planes, data_range=1.0, size_average=False)
    return np.asarray(values.numpy(), np.float64)


def ms_ssim_db(plain: Values) -> Values:
    """MS-SSIM in dB, [B]: -10 log10(1 - plain), at most 100."""
    return _decibels(1 - np.asarray(plain, np.float64))


def missing(what: str, error: ModuleNotFoundError, extra: str = "eval") -> OptionError:
    """The error for a metric whose package, one of `extra`, is not installed."""
    return OptionError(
        f"{what} needs {error.name}, which is not installed: pip install 'ncodec[{extra}]'"
    )


def as_array(pictures: Pictures) -> NDArray[Any]:
    """[B, C, H, W] as an array that has been checked; see the module for what is allowed."""
    if hasattr(pictures, "detach"):
        pictures = pictures.detach().cpu().numpy()
    array = np.asarray(pictures)
    said = f"{array.dtype} {list(array.shape)}"
    if array.ndim != 4 or array.size == 0:
        raise InputError(f"pictures must be [B, C, H, W], got {said}")
    if array.dtype != np.uint8 and not np.issubdtype(array.dtype, np.floating):
        raise InputError(f"pictures must be uint8 or float in 0..1, got {said}")
    if array.dtype != np.uint8 and not (array.min() >= 0 and array.max() <= 1):
        raise InputError(f"float pictures must lie in 0..1, got {said} beyond; clamp them first")
    return array


def pair(original: Pictures, decoded: Pictures) -> tuple[NDArray[Any], NDArray[Any]]:
    """Both as checked arrays [B, C, H, W] of equal shape."""
    ours, theirs = as_array(original), as_array(decoded)
    if ours.shape != theirs.shape:
        raise InputError(
            f"pictures of equal shape are compared, got {list(ours.shape)} and {list(theirs.shape)}"
        )
    return ours, theirs


def _mse(ours: NDArray[Any], theirs: NDArray[Any]) -> float:
    return float(np.square(unit(ours) - unit(theirs)).mean())


def unit(pictures: NDArray[Any]) -> Values:
    """Samples in 0..1."""
    values = pictures.astype(np.float64)
    return values / 255 if pictures.dtype == np.uint8 else values


def _decibels(errors: Values) -> Values:
    """-10 log10 of relative errors, at most `CEILING_DB`; NaN stays."""
    floor = math.pow(10, -CEILING_DB / 10)
    values: Values = -10 * np.log10(np.maximum(errors, floor))
    return values
