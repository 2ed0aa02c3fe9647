"""Fits the linear transform that training starts from: a Karhunen-Loeve transform of blocks."""

import numpy as np
import torch
from torch import Tensor

from ncodec.datasets.pictures import PictureCrops
from ncodec.models.lapped import LappedTransform

FIT_CROPS = 1500
FIT_SIZE = 128


def _covariance(data: PictureCrops, random: np.random.Generator) -> Tensor:
    """Covariance [768, 768] of border-filtered blocks, block borders of the crops left out."""
    transform = LappedTransform(1)
    total = torch.zeros(768, 768, dtype=torch.float64)
    count = 0
    for _ in range(FIT_CROPS // 10):
        with torch.no_grad():
            blocks = transform.blocks(data.batch(10, FIT_SIZE, random))[:, :, 1:-1, 1:-1]
        samples = blocks.permute(0, 2, 3, 1).reshape(-1, 768).double()
        total += samples.T @ samples
        count += len(samples)
    return total / count


def fit_lapped_basis(
    data: PictureCrops, channels: int, random: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """The strongest components: orthonormal basis [channels, 768], standard deviations [channels].

    The first rows carry the most energy. About a minute for 54,000 blocks.
    """
    return components(_covariance(data, random), channels)


def components(covariance: Tensor, channels: int) -> tuple[Tensor, Tensor]:
    """The strongest components of a covariance [n, n]: basis [channels, n], deviations [channels].

    The basis is orthonormal; its first rows carry the most energy.
    """
    values, vectors = torch.linalg.eigh(covariance)
    order = values.argsort(descending=True)[:channels]
    return vectors[:, order].T.float().contiguous(), values[order].clamp_min(0).sqrt().float()
