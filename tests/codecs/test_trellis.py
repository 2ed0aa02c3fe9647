"""Rounding along paths: what it saves, and that symbols alone say where points lie."""

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ncodec.codecs.rounding import CENTROIDS, Rounding
from ncodec.codecs.trellis import BLOCK, LENGTH, NEXT, UPPER, best_choices, is_upper
from ncodec.entropy.build import logistic_tables
from ncodec.errors import ModelMismatchError
from ncodec.models.rates import SCALE_MAX, SCALE_MIN, SCALES
from ncodec.training.counted import CountingRounding

FIRST_ROW = 19
TABLES = logistic_tables(np.geomspace(SCALE_MIN, SCALE_MAX, SCALES))
CENTROID = {"latent/centroid": np.zeros((SCALES, CENTROIDS), np.float32)}
ARRAYS = CENTROID | {"latent/trellis": np.full((SCALES - FIRST_ROW, 7), 0.25, np.float32)}
PLAIN, PATHS = Rounding(TABLES, CENTROID), Rounding(TABLES, ARRAYS)


def coded(rounding: Rounding, values: torch.Tensor, row: int) -> tuple[torch.Tensor, float, float]:
    """Symbols, their mean squared error, and bits a symbol under their table."""
    rows = torch.full(values.shape, float(row))
    symbols = rounding.quantise(values, rows)
    error = rounding.points(symbols.to(torch.int32), rows.to(torch.uint8)) - values
    bits = TABLES.magnitude_bits(row, 500)[symbols.abs().long().numpy()].mean()
    return symbols, float(error.square().mean()), float(bits)


@pytest.mark.parametrize("row", [FIRST_ROW + 2, FIRST_ROW + 8, FIRST_ROW + 16])
def test_less_error_at_the_same_rate(row: int) -> None:
    scale = np.geomspace(SCALE_MIN, SCALE_MAX, SCALES)[row]
    values = torch.from_numpy(np.random.default_rng(row).logistic(0, scale * 0.55, (64, 300)))
    _, error, bits = coded(PLAIN, values.float(), row)
    _, less, same = coded(PATHS, values.float(), row)
    assert less < 0.88 * error
    assert same < bits + 0.02


def test_rows_of_small_values_have_no_paths() -> None:
    values = torch.from_numpy(np.random.default_rng(0).normal(0, 0.4, (40, 50))).float()
    symbols, *_ = coded(PATHS, values, FIRST_ROW - 1)
    rows = torch.full(values.shape, FIRST_ROW - 1)
    assert torch.equal(PATHS.points(symbols, rows), PLAIN.points(symbols, rows))


def test_points_lie_a_quarter_beside_their_symbols() -> None:
    symbols = torch.from_numpy(np.random.default_rng(0).integers(-9, 9, (20, 30)))
    points = PATHS.points(symbols, torch.full(symbols.shape, FIRST_ROW))
    above = is_upper(symbols.flatten()).reshape(symbols.shape)
    assert torch.equal(points - symbols, torch.where(above, 0.25, -0.25))
    assert above.any()
    assert not above.all()


@pytest.mark.parametrize("length", [1, LENGTH, LENGTH + 3])
def test_silence_stays_silent(length: int) -> None:
    nothing, rows = torch.zeros(length, 1), torch.full((length, 1), float(SCALES - 1))
    assert not PATHS.points(PATHS.quantise(nothing, rows), rows).any()
    symbols = torch.zeros(3 * LENGTH, 1)
    symbols[LENGTH + 7] = 1
    loud = PATHS.points(symbols, torch.full(symbols.shape, FIRST_ROW)).reshape(3, LENGTH) != 0
    assert loud[1].all()
    assert not loud[::2].any()


@pytest.mark.parametrize("place", [0, 5, LENGTH - 1, LENGTH, 3 * LENGTH - 1])
def test_a_symbol_moves_its_own_path_only(place: int) -> None:
    symbols = torch.from_numpy(np.random.default_rng(1).integers(-9, 9, 3 * LENGTH))
    other = symbols.clone()
    other[place] += 1
    moved = (is_upper(symbols) != is_upper(other)).nonzero().flatten()
    end = (place // LENGTH + 1) * LENGTH
    assert all(place < int(m) < end for m in moved)


@given(st.lists(st.tuples(*[st.integers(0, 50)] * 4), min_size=1, max_size=8))
def test_the_path_is_the_cheapest_of_all(costs: list[tuple[int, ...]]) -> None:
    def price(parities: tuple[int, ...]) -> int:
        state, total = 0, 0
        for parity, cost in zip(parities, costs, strict=True):
            total += cost[2 * UPPER[state] + parity]
            state = NEXT[state, parity]
        return total

    choices = best_choices(np.array(costs, np.float32).T)
    parities = choices % 2
    assert np.array_equal(choices // 2 == 1, is_upper(torch.from_numpy(parities)).numpy())
    assert price(tuple(parities)) == min(map(price, product((0, 1), repeat=len(costs))))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30, -1e30])
def test_any_value_is_rounded(value: float) -> None:
    values = torch.full((3, 4), value)
    symbols = PATHS.quantise(values, torch.full(values.shape, float(SCALES - 1)))
    assert symbols.isfinite().all()
    assert symbols.abs().max() <= 2**18 + 2


def test_no_values() -> None:
    nothing = torch.zeros(0, 4)
    assert PATHS.quantise(nothing, nothing).shape == nothing.shape
    assert PATHS.points(nothing, nothing).shape == nothing.shape


@pytest.mark.parametrize("shape", [(45, 6), (SCALES + 1, 7), (45,), (), (0, 7)])
def test_points_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelMismatchError, match="latent/trellis"):
        Rounding(TABLES, CENTROID | {"latent/trellis": np.zeros(shape, np.float32)})


def test_points_that_nothing_was_counted_for() -> None:
    found = CountingRounding(TABLES, ARRAYS).arrays()
    assert not found["latent/centroid"][:FIRST_ROW].any()
    assert np.array_equal(found["latent/trellis"], ARRAYS["latent/trellis"])


def test_a_block_of_many_paths_is_the_same_as_its_parts() -> None:
    values = torch.from_numpy(np.random.default_rng(2).normal(0, 3, (BLOCK + 300, 1))).float()
    rows = torch.full(values.shape, float(FIRST_ROW))
    whole = PATHS.quantise(values, rows)
    parts = [
        PATHS.quantise(v, r)
        for v, r in zip(torch.split(values, BLOCK), torch.split(rows, BLOCK), strict=True)
    ]
    assert torch.equal(whole, torch.cat(parts))
    assert (PATHS.points(whole, rows) - values).abs().max() < 2
