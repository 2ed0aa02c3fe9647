"""Arrays, tensors and Pillow images become pictures, or an error that names what they are."""

import re

import numpy as np
import PIL.Image
import pytest
import torch
from numpy.typing import NDArray

from ncodec.errors import InputError, LimitExceededError
from ncodec.media import Image, Metadata, as_image


def pattern(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(7).integers(0, 256, shape, np.uint8)


def test_an_image_passes_through() -> None:
    image = Image(pattern(2, 3))
    assert as_image(image) is image
    image.array = pattern(2, 3).astype(float)
    with pytest.raises(InputError, match="float64"):
        as_image(image)


@pytest.mark.parametrize("tail", [(), (2,), (3,), (4,)])
def test_arrays_are_taken_as_they_are(tail: tuple[int, ...]) -> None:
    samples = pattern(3, 5, *tail)
    assert np.shares_memory(as_image(samples).array, samples)
    assert as_image(samples[..., None] if not tail else samples).array.shape == samples.shape


def test_views_of_an_image() -> None:
    image = Image(pattern(3, 5, 4))
    assert image.alpha is not None
    assert np.shares_memory(image.colour, image.array)
    assert np.array_equal(np.dstack([image.colour, image.alpha]), image.array)
    grey = Image(pattern(3, 5, 2))
    assert grey.grey
    assert grey.colour.shape == (3, 5)
    assert grey.alpha is not None
    assert Image(pattern(3, 5)).colour.shape == (3, 5)


@pytest.mark.parametrize(
    "array",
    [
        pattern(2, 2).astype(np.float32),
        pattern(2, 2).astype(np.uint16),
        pattern(2, 2) > 3,
        pattern(2, 2, 5),
        pattern(2, 2, 0),
        pattern(0, 2, 3),
        pattern(2, 0),
        pattern(4),
        pattern(1, 2, 2, 3),
        np.array(["a"]),
    ],
)
def test_other_arrays_are_refused_by_dtype_and_shape(array: NDArray[np.generic]) -> None:
    with pytest.raises(InputError, match=re.escape(f"{array.dtype} {list(array.shape)}")):
        as_image(array)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float64])
def test_tensors_there_and_back(channels: int, dtype: torch.dtype) -> None:
    tensor = torch.from_numpy(pattern(channels, 5, 7))
    given = tensor if dtype == torch.uint8 else tensor.to(dtype) / 255
    image = as_image(given)
    assert (image.height, image.width) == (5, 7)
    assert torch.equal(image.to_tensor(), tensor)


def test_half_precision_and_gradients() -> None:
    for dtype in (torch.float16, torch.bfloat16):
        assert as_image(torch.full((1, 2, 2), 0.5, dtype=dtype)).array.tolist() == [[128] * 2] * 2
    assert as_image(torch.ones(3, 1, 1, requires_grad=True)).array.tolist() == [[[255] * 3]]


def test_to_tensor_owns_its_memory() -> None:
    image = Image(pattern(2, 3, 3)[::-1, ::-1])
    before = image.array.copy()
    image.to_tensor().zero_()
    assert np.array_equal(image.array, before)


@pytest.mark.parametrize(
    "tensor",
    [
        torch.zeros(2, 2),
        torch.zeros(5, 2, 2),
        torch.zeros(0, 2, 2),
        torch.zeros(1, 3, 2, 2),
        torch.zeros(3, 0, 2),
        torch.zeros(3, 2, 2, dtype=torch.int32),
        torch.zeros(3, 2, 2, dtype=torch.bool),
        torch.zeros(3, 2, 2, dtype=torch.complex64),
        torch.zeros(3, 2, 2, device="meta"),
        torch.zeros(3, 2, 2).to_sparse(),
        torch.full((3, 2, 2), float("nan")),
        torch.full((3, 2, 2), float("inf")),
        torch.full((3, 2, 2), 1.01),
        torch.full((3, 2, 2), -0.01),
    ],
)
def test_other_tensors_are_refused_by_dtype_and_shape(tensor: torch.Tensor) -> None:
    said = f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"
    with pytest.raises(InputError, match=re.escape(said)):
        as_image(tensor)


@pytest.mark.parametrize("thing", [None, 3, "a.png", b"bytes", [[1, 2]], object()])
def test_other_things_are_refused_by_type(thing: object) -> None:
    with pytest.raises(InputError, match=type(thing).__name__):
        as_image(thing)


def test_sides_too_long_for_the_format_are_refused() -> None:
    with pytest.raises(LimitExceededError, match="65536"):
        as_image(np.zeros((1, 65_536), np.uint8))
    with pytest.raises(LimitExceededError, match="65536"):
        as_image(PIL.Image.new("1", (65_536, 1)))
    assert as_image(np.zeros((1, 65_535), np.uint8)).width == 65_535


def test_an_empty_pillow_image_is_refused() -> None:
    with pytest.raises(InputError, match="no pixels"):
        as_image(PIL.Image.new("RGB", (0, 4)))


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("1", 1, 255),
        ("L", 9, 9),
        ("LA", (9, 50), [9, 50]),
        ("La", (50, 100), [127, 100]),
        ("RGB", (1, 2, 3), [1, 2, 3]),
        ("RGBA", (1, 2, 3, 4), [1, 2, 3, 4]),
        ("RGBa", (50, 100, 0, 100), [127, 255, 0, 100]),
        ("RGBX", (1, 2, 3, 4), [1, 2, 3]),
        ("CMYK", (255, 0, 0, 0), [0, 255, 255]),
        ("YCbCr", (128, 128, 128), [128, 128, 128]),
        ("HSV", (0, 255, 255), [255, 0, 0]),
        ("I", 65535, 255),
        ("F", 0.5, 128),
        ("I;16", 32896, 128),
        ("I;16B", 32896, 128),
    ],
)
def test_every_mode_of_pillow(mode: str, colour: tuple[int, ...], expected: object) -> None:
    image = as_image(PIL.Image.new(mode, (2, 3), colour))
    assert (image.width, image.height) == (2, 3)
    assert image.array[2, 1].tolist() == expected


def test_palette_modes_of_pillow() -> None:
    palette = PIL.Image.new("P", (1, 1))
    palette.putpalette([7, 8, 9, 60], "RGBA")
    assert as_image(palette).array.tolist() == [[[7, 8, 9, 60]]]
    assert as_image(palette.convert("RGB").convert("PA")).array.shape == (1, 1, 4)


@pytest.mark.parametrize("tail", [(), (2,), (3,), (4,)])
def test_pillow_there_and_back(tail: tuple[int, ...]) -> None:
    image = Image(pattern(3, 5, *tail), Metadata(exif=b"II*\0\x08\0\0\0\0\0\0\0\0\0"))
    back = as_image(image.to_pil())
    assert np.array_equal(back.array, image.array)
    assert back.metadata == image.metadata
