from collections.abc import Callable

import constriction
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from ncodec.entropy import MAX_MAGNITUDE, TOTAL, Tables
from ncodec.entropy.build import count_symbols, counted_tables, gaussian_tables, normalise
from ncodec.entropy.tables import RowModel, entropy_model, joint_counts
from ncodec.errors import InputError, ModelMismatchError

Int32 = NDArray[np.int32]


def coded_counts(counts: Int32) -> list[int]:
    """What constriction really gives each symbol: the coder's interval after coding it alone."""
    model, scale, found = entropy_model(counts), (2**64 - 1) >> 24, []
    for symbol in range(len(counts)):
        encoder = constriction.stream.queue.RangeEncoder()
        encoder.encode(np.array([symbol], np.int32), model)
        span = encoder.pos()[1][1]
        # The coder drops 32 bits of the interval when it falls below 2**32.
        found.append(span // scale if span % scale == 0 else (span >> 32) // scale)
    return found


def valid() -> tuple[Int32, Int32, Int32]:
    counts = np.array([[TOTAL - 2, 1, 1], [TOTAL - 5, 5, 0]], np.int32)
    return counts, np.array([-1, 7], np.int32), np.array([3, 2], np.int32)


@settings(deadline=None, max_examples=50)
@given(hnp.arrays(np.float64, st.integers(2, 60), elements=st.floats(0, 1e6)))
def test_normalised_counts_are_positive_exact_and_coded_as_they_are(
    masses: NDArray[np.float64],
) -> None:
    masses[0] += 1
    counts = normalise(masses)
    assert counts.min() >= 1
    assert counts.sum(dtype=np.int64) == TOTAL
    assert np.abs(counts - 1 - masses / masses.sum() * (TOTAL - len(masses))).max() <= 1
    assert coded_counts(counts) == counts.tolist()


@pytest.mark.parametrize("counts", [[TOTAL - 1, 1], [1, TOTAL - 1], [1, TOTAL - 2, 1]])
def test_extreme_counts_are_coded_as_they_are(counts: list[int]) -> None:
    assert coded_counts(np.array(counts, np.int32)) == counts


def test_every_gaussian_row_is_coded_as_it_is() -> None:
    tables = gaussian_tables()
    for row in range(tables.rows):
        counts = tables.counts[row, : tables.length[row]]
        assert coded_counts(counts) == counts.tolist()


def test_joint_counts_are_products_and_coded_as_they_are() -> None:
    tables = gaussian_tables(n=8, scale_min=0.2, scale_max=3.0)
    for row in range(tables.rows):
        counts = tables.counts[row, : tables.length[row]]
        size = RowModel(counts).size
        assert size > 1
        joint = joint_counts(counts, size)
        digits = np.indices((len(counts),) * size).reshape(size, -1)
        assert joint.min() >= 1
        assert joint.sum(dtype=np.int64) == TOTAL
        products = (counts / TOTAL)[digits].prod(axis=0)
        assert joint / TOTAL == pytest.approx(products, abs=2e-4, rel=2e-4)
        assert coded_counts(joint) == joint.tolist()


def test_groups_are_as_large_as_the_alphabet_allows() -> None:
    for length, size in ((2, 4), (6, 4), (7, 2), (45, 2), (46, 1)):
        assert RowModel(normalise(np.ones(length))).size == size


@pytest.mark.parametrize("masses", [[98, 1, 1], [1, 5, 0], [1, 2, 3, 4, 5, 6, 7]])
def test_groups_are_numbered_from_the_likeliest_down(masses: list[float]) -> None:
    counts = normalise(masses)
    model = RowModel(counts)
    likelihood = (counts / TOTAL)[model.digits].prod(axis=1)
    assert (np.diff(likelihood) <= 1e-4).all()
    assert (model.pack(model.digits.reshape(-1)) == np.arange(len(model.digits))).all()


def test_gaussian_rows_have_the_scales_asked_for_and_a_bounded_width() -> None:
    tables = gaussian_tables(n=16, scale_min=1.0, scale_max=100.0)
    for row, scale in enumerate(np.geomspace(1.0, 100.0, 16)):
        length = int(tables.length[row]) - 1
        symbols = tables.low[row] + np.arange(length)
        weights = tables.counts[row, :length] / TOTAL
        assert symbols[0] == -symbols[-1]
        assert float(weights @ symbols**2) == pytest.approx(scale**2 + 1 / 12, rel=0.01)
        assert tables.counts[row, length] <= 16 + 2
        assert length <= 10 * scale + 4


@pytest.mark.parametrize(("n", "low", "high"), [(1, 1, 2), (4, 0, 1), (4, 2, 1), (4, 1, np.inf)])
def test_impossible_scales_are_refused(n: int, low: float, high: float) -> None:
    with pytest.raises(InputError):
        gaussian_tables(n, low, high)


def test_counted_tables_follow_the_counts_and_fall_back_to_the_prior() -> None:
    prior = gaussian_tables(4, 0.5, 4.0)
    histograms = np.zeros(prior.counts.shape, np.int64)
    histograms[1, :2] = 3_000_000, 1_000_000
    fitted = counted_tables(histograms, prior.low, prior, strength=100)
    assert fitted.counts[1, :2] / TOTAL == pytest.approx([0.75, 0.25], abs=1e-3)
    assert np.abs(fitted.counts[0].astype(np.int64) - prior.counts[0]).max() <= 16
    assert fitted.low.tolist() == prior.low.tolist()


def test_counted_tables_without_a_prior_smooth_to_uniform() -> None:
    fitted = counted_tables(np.array([[0, 0, 0, 0], [10, 0, 0, 0]]), low=-1, strength=10)
    assert fitted.counts[0].tolist() == [TOTAL // 4] * 4
    assert fitted.counts[1, 0] / TOTAL == pytest.approx(0.625, abs=1e-5)
    assert fitted.low.tolist() == [-1, -1]


def test_count_symbols_counts_outsiders_as_escapes() -> None:
    tables = Tables(*valid())
    counted = count_symbols([[-1, 0, 5], [-9, 7, 6]], [[0, 0, 0], [0, 1, 1]], tables)
    assert counted.tolist() == [[1, 1, 2], [1, 1, 0]]


@pytest.mark.parametrize("strength", [0.0, -1.0, float("nan")])
def test_counted_tables_need_a_positive_strength(strength: float) -> None:
    with pytest.raises(InputError):
        counted_tables(np.ones((1, 3), np.int64), low=0, strength=strength)


@pytest.mark.parametrize("masses", [[1.0], [0.0, 0.0], [1.0, -1.0], [1.0, np.nan], [[1.0, 2.0]]])
def test_impossible_masses_are_refused(masses: list[float]) -> None:
    with pytest.raises(InputError):
        normalise(masses)


def test_tables_survive_storage_and_are_immutable() -> None:
    counts, low, length = valid()
    tables = Tables(counts, low, length)
    stored = tables.to_arrays("entropy/z")
    back = Tables.from_arrays(stored, "entropy/z")
    assert back.counts.tolist() == counts.tolist()
    assert back.digest() == tables.digest()
    digest = tables.digest()
    counts[0, 0] = 0
    assert tables.digest() == digest
    with pytest.raises(ValueError, match="read-only"):
        tables.counts[0, 0] = 0


def test_the_digest_depends_on_everything_but_padding() -> None:
    counts, low, length = valid()
    digest = Tables(counts, low, length).digest()
    wider = np.pad(counts, ((0, 0), (0, 3)))
    assert Tables(wider, low, length).digest() == digest
    assert Tables(counts, low + np.int32(1), length).digest() != digest
    assert Tables(counts[:, ::-1][:1].copy(), low[:1], length[:1]).digest() != digest


def _set(array: int, index: tuple[int, ...], value: int) -> Callable[[list[Int32]], None]:
    def change(arrays: list[Int32]) -> None:
        arrays[array][index] = value

    return change


def _replace(array: int, value: object) -> Callable[[list[object]], None]:
    def change(arrays: list[object]) -> None:
        arrays[array] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        _set(0, (0, 1), 0),
        _set(0, (0, 1), -1),
        _set(0, (0, 0), TOTAL),
        _set(0, (1, 2), 1),
        _set(1, (0,), -MAX_MAGNITUDE - 1),
        _set(1, (1,), MAX_MAGNITUDE + 1),
        _set(1, (1,), 2**31 - 1),
        _set(2, (0,), 4),
        _set(2, (0,), 1),
        _set(2, (0,), -(2**31)),
        _replace(0, np.zeros((2, 3))),
        _replace(0, np.zeros((0, 3), np.int32)),
        _replace(0, None),
        _replace(1, np.zeros(3, np.int32)),
        _replace(2, np.zeros(2, np.int64)),
        _replace(2, np.zeros((), np.int32)),
    ],
)
def test_invalid_tables_are_refused(change: Callable[[list[Int32]], None]) -> None:
    arrays = list(valid())
    change(arrays)
    with pytest.raises(ModelMismatchError):
        Tables(*arrays)


@pytest.mark.parametrize("name", ["counts", "low", "length"])
def test_damaged_storage_is_refused(name: str) -> None:
    stored = Tables(*valid()).to_arrays("t")
    array = stored.pop(f"t/{name}")
    for wrong in (None, array[:-1], array.astype(np.int64), array[None], np.abs(array) << 29):
        changed = stored if wrong is None else {**stored, f"t/{name}": wrong}
        with pytest.raises(ModelMismatchError):
            Tables.from_arrays(changed, "t")
