"""What a Python program has at hand -> `Image`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import PIL.Image

from ncodec.container import Limits
from ncodec.errors import InputError
from ncodec.media.convert import check_size, from_pillow, pillow_errors
from ncodec.media.image import Image, Pixels, check_pixels

if TYPE_CHECKING:
    import torch


def as_image(media: object) -> Image:
    """Return `media` as an `Image`.

    Takes an `Image`, a Pillow image, an array uint8 [H, W] or [H, W, 1..4], or a tensor
    [C, H, W] with C from 1 to 4, uint8 or floating-point in 0..1. One channel is grey, the last
    of two or four is alpha. Raises InputError for anything else and LimitExceededError for a
    picture too large for the file format.
    """
    if isinstance(media, Image):
        check_pixels(media.array)
        return media
    if isinstance(media, PIL.Image.Image):
        return _from_pillow(media)
    if isinstance(media, np.ndarray):
        return _from_array(media)
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(media, torch.Tensor):
        return _from_array(_from_tensor(media))
    raise InputError(
        f"can't take {type(media).__name__} for a picture: give a Pillow image, a uint8 array "
        "[H, W, C], a tensor [C, H, W], or load a file with load_image"
    )


def _from_pillow(picture: PIL.Image.Image) -> Image:
    name = "the Pillow image"
    if 0 in picture.size:
        raise InputError(f"{name} has no pixels: its size is {picture.size}")
    check_size(picture.size, Limits(), name)
    notes: list[str] = []
    with pillow_errors(f"{name} can't be read", notes):
        image = from_pillow(picture, notes)
    image.warnings = tuple(dict.fromkeys(notes))
    return image


def _from_array(array: Pixels) -> Image:
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    check_pixels(array)
    check_size((array.shape[1], array.shape[0]), Limits(), "the array")
    return Image(np.asarray(array))


def _from_tensor(tensor: torch.Tensor) -> Pixels:
    import torch

    said = f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"
    if tensor.ndim != 3 or not 1 <= tensor.shape[0] <= 4 or tensor.numel() == 0:
        raise InputError(f"a picture tensor must be [C, H, W] with C from 1 to 4, got {said}")
    if tensor.layout != torch.strided or tensor.device.type == "meta":
        raise InputError(f"a picture tensor must be dense and hold data, got {said}")
    if not (tensor.is_floating_point() or tensor.dtype == torch.uint8):
        raise InputError(f"a picture tensor must be uint8 or float in 0..1, got {said}")
    values = tensor.detach().cpu()
    if values.is_floating_point():
        values = _to_bytes(values, said)
    return np.asarray(values.permute(1, 2, 0).contiguous().numpy())


def _to_bytes(values: torch.Tensor, said: str) -> torch.Tensor:
    import torch

    low, high = (float(bound) for bound in torch.aminmax(values.float()))
    if not (low >= 0 and high <= 1):
        raise InputError(
            f"a float tensor must lie in 0..1, got {said} from {low:g} to {high:g}; clamp it first"
        )
    return values.float().mul(255).round().to(torch.uint8)
