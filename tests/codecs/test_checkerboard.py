"""Halves of a latent, taken apart and put together."""

import pytest
import torch
import torch.nn.functional as F

from ncodec.codecs.checkerboard import Checkerboard, as_columns, as_rows
from ncodec.models import blocks
from ncodec.models.transforms import cross

SIZES = [(1, 1), (1, 2), (2, 1), (3, 5), (4, 4), (6, 3)]


@pytest.fixture(params=SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def size(request: pytest.FixtureRequest) -> tuple[int, int]:
    found: tuple[int, int] = request.param
    return found


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def board_of(size: tuple[int, int]) -> Checkerboard:
    return Checkerboard(*size, torch.device("cpu"))


def test_halves_make_the_whole_again(size: tuple[int, int]) -> None:
    x, board = torch.randn(1, 3, *size), board_of(size)
    anchors, others = board.anchors(x), board.others(x)
    assert anchors.shape[2] + others.shape[2] == size[0] * size[1]
    assert torch.equal(board.place(anchors, others), x)


def test_anchors_are_those_of_training(size: tuple[int, int]) -> None:
    mask = blocks.checkerboard(torch.empty(1, 1, *size)).float()
    board = board_of(size)
    assert board.anchors(mask).eq(1).all()
    assert board.others(mask).eq(0).all()


def test_gathering_is_the_convolution_over_anchors(size: tuple[int, int]) -> None:
    board, kernel = board_of(size), torch.randn(4, 3, 3, 3)
    x = torch.randn(1, 3, *size) * blocks.checkerboard(torch.empty(1, 1, *size))
    expected = board.others(F.conv2d(x, kernel, padding=1))
    found = board.gather(F.conv2d(board.anchors(x), cross(kernel)))
    assert found.shape == expected.shape
    assert torch.allclose(found, expected, atol=1e-5)


def test_columns_and_rows_are_the_same_numbers() -> None:
    rows = torch.randn(6, 4)
    assert torch.equal(as_rows(as_columns(rows)), rows)
