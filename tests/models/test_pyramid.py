"""The order of coding: every position once, and only from what is known."""

import pytest
import torch

from ncodec.models.pyramid import Pyramid, kinds, pyramid

CPU = torch.device("cpu")
COARSEST = 4
SIZES = [(1, 1), (1, 2), (2, 1), (1, 9), (13, 1), (2, 2), (3, 5), (8, 12), (17, 6), (96, 64)]


@pytest.mark.parametrize("size", SIZES)
def test_every_position_comes_once(size: tuple[int, int]) -> None:
    found = pyramid(*size, COARSEST, CPU)
    assert sorted(found.order.tolist()) == list(range(size[0] * size[1]))
    assert found.order[found.rank].tolist() == list(range(size[0] * size[1]))
    assert [p.start for p in found.passes[1:]] == [p.stop for p in found.passes[:-1]]
    assert found.passes[0].start == 0
    assert found.passes[-1].stop == size[0] * size[1]


@pytest.mark.parametrize("size", SIZES)
def test_neighbours_come_earlier(size: tuple[int, int]) -> None:
    for part in pyramid(*size, COARSEST, CPU).passes[1:]:
        assert part.around is not None
        assert part.around.shape == (part.stop - part.start, 4)
        assert 0 <= int(part.around.min()) <= int(part.around.max()) < part.start


def places(found: Pyramid, rows: torch.Tensor, width: int) -> torch.Tensor:
    """Row and column [..., 2] of rows in coding order."""
    order = found.order[rows]
    return torch.stack([order // width, order % width], -1)


def test_inside_of_a_latent_the_neighbours_lie_around() -> None:
    found = pyramid(33, 33, COARSEST, CPU)
    for part in found.passes[1:]:
        here = places(found, torch.arange(part.start, part.stop), 33)
        assert part.around is not None
        away = places(found, part.around, 33) - here[:, None]
        inside = ((here >= COARSEST) & (here < 33 - COARSEST)).all(1)
        step = (COARSEST // 2, COARSEST // 4)[(part.kind - 1) // 2]
        assert (away[inside].sum(1) == 0).all()
        assert (away[inside].abs().amax(2) == step).all()


@pytest.mark.parametrize("width", [1, 2, 3, 7, 16, 173])
def test_along_one_row_lie_two_on_both_sides(width: int) -> None:
    found = pyramid(1, width, 8, CPU)
    for part in found.passes[1:]:
        assert part.along is not None
        assert int(part.along.max()) < part.start
        here = found.order[part.start : part.stop]
        step = 4 >> (part.kind // 2 - 1)
        inside = (here >= 3 * step) & (here < width - 3 * step)
        away = (found.order[part.along] - here[:, None])[inside]
        assert (away == step * torch.tensor([-3, -1, 1, 3])).all()


def test_along_is_cut_into_pieces_too() -> None:
    part = pyramid(1, 100, 8, CPU).passes[-1]
    pieces = list(part.pieces(7))
    assert part.along is not None
    rows = [piece.along for piece in pieces if piece.along is not None]
    assert torch.equal(torch.cat(rows), part.along)
    assert pyramid(2, 100, 8, CPU).passes[-1].along is None


def test_at_borders_neighbours_are_mirrored() -> None:
    found = pyramid(4, 4, COARSEST, CPU)
    last = found.passes[-1]
    assert last.kind == kinds(COARSEST) - 1
    assert last.around is not None
    here = places(found, torch.arange(last.start, last.stop), 4)
    corner = int((here == torch.tensor([0, 1])).all(1).nonzero())
    above, below, left, right = places(found, last.around[corner], 4).tolist()
    assert (above, below, left, right) == ([1, 1], [1, 1], [0, 0], [0, 2])
