"""Bjontegaard rates: known answers, agreement with another package, what can't be compared."""

import warnings

import numpy as np
import pytest
from bjontegaard import bd_rate

from ncodec.errors import InputError, OptionError
from ncodec.evaluation import compare, curve, delta_rate, overlap
from ncodec.evaluation.bjontegaard import Curve

TOLERANCE = 1e-6
"""Percent: both integrate the same splines in double precision."""


def smooth(scale: float = 1.0, bend: float = 0.02, start: float = 26.0, count: int = 7) -> Curve:
    """A curve as codecs have them: about 6 dB more for twice the rate, a little bent."""
    db = np.linspace(start, start + 14, count)
    rates = scale * 0.1 * np.exp((db - 26) / 6 + bend * np.sin(db))
    return curve(zip(rates, db, strict=True))


def irregular(seed: int) -> Curve:
    """A rising curve whose points lie anywhere."""
    generator = np.random.default_rng(seed)
    rates = np.cumsum(generator.uniform(0.02, 0.5, 9))
    return curve(zip(rates, 25 + np.cumsum(generator.uniform(0.3, 3, 9)), strict=True))


@pytest.mark.parametrize("method", ["pchip", "akima"])
def test_a_codec_that_takes_half_the_bytes_everywhere_saves_half(method: str) -> None:
    assert delta_rate(smooth(0.5), smooth(), method) == pytest.approx(-50)
    assert delta_rate(smooth(), smooth(0.5), method) == pytest.approx(100)
    assert delta_rate(smooth(), smooth(), method) == pytest.approx(0)


def test_straight_curves_give_the_answer_of_paper_and_pencil() -> None:
    ours = curve([(1, 30), (2, 31)])
    theirs = curve([(1, 30), (4, 31)])
    # The logarithms differ by t * ln 2, from t = 0 to 1; half of that on average.
    assert delta_rate(ours, theirs) == pytest.approx(100 * (2**-0.5 - 1))


@pytest.mark.parametrize("method", ["pchip", "akima"])
@pytest.mark.parametrize("seed", range(12))
def test_rates_agree_with_the_bjontegaard_package(method: str, seed: int) -> None:
    ours, theirs = irregular(seed), irregular(seed + 100)
    columns = (theirs[:, 0], theirs[:, 1], ours[:, 0], ours[:, 1])
    expected = bd_rate(*columns, method=method, require_matching_points=False, min_overlap=0)
    assert delta_rate(ours, theirs, method) == pytest.approx(expected, abs=TOLERANCE, rel=1e-9)


def test_two_points_are_enough_for_both_methods() -> None:
    pair = curve([(0.1, 30), (1, 36)]), curve([(0.2, 31), (1.5, 37)])
    columns = (*pair[1].T, *pair[0].T)
    expected = bd_rate(*columns, method="akima", require_matching_points=False, min_overlap=0)
    assert delta_rate(*pair, "akima") == pytest.approx(expected, abs=TOLERANCE)
    assert delta_rate(*pair) == pytest.approx(delta_rate(*pair, "akima"))


def test_points_are_sorted_and_those_no_better_than_cheaper_ones_left_out() -> None:
    points = [(1.0, 36.0), (0.2, 30.0), (0.5, 29.0), (0.2, 28.0), (0.6, 30.0), (0.7, 34.0)]
    assert curve(points).tolist() == [[0.2, 30.0], [0.7, 34.0], [1.0, 36.0]]


@pytest.mark.parametrize("points", [[], [(1, 30)], [(1, 30), (2, 30)], [(1, 30), (2, 29)]])
def test_a_curve_needs_two_points(points: list[tuple[float, float]]) -> None:
    with pytest.raises(InputError, match="2 points"):
        curve(points)


@pytest.mark.parametrize("point", [(0, 30), (-1, 30), (np.nan, 30), (1, np.inf), (np.inf, 30)])
def test_points_that_no_logarithm_takes_are_refused(point: tuple[float, float]) -> None:
    with pytest.raises(InputError, match="above 0"):
        curve([(1, 20), point, (3, 40)])


def test_curves_without_a_common_quality_are_named_not_guessed() -> None:
    low, high = smooth(start=10), smooth(start=30)
    with pytest.raises(InputError, match="10 to 24 against 30 to 44"):
        delta_rate(low, high)
    with pytest.raises(InputError, match="no quality in common"):
        compare(low, high)


def test_an_unknown_method_is_an_option_error() -> None:
    with pytest.raises(OptionError, match="pchip or akima"):
        delta_rate(smooth(), smooth(), "cubic")


def test_the_overlap_is_what_both_have() -> None:
    first, second = smooth(start=26), smooth(start=30)
    assert overlap(first, second) == overlap(second, first) == (30, 40)
    assert compare(first, second).overlap_share == pytest.approx(10 / 18)


def test_files_are_averaged_beside_the_averaged_curves() -> None:
    files = {"a": (smooth(0.5), smooth()), "b": (smooth(1.5), smooth())}
    found = compare(smooth(0.9), smooth(), files)
    assert found.mean_of_files == pytest.approx(0)
    assert found.mean_of_files_akima == pytest.approx(0)
    assert found.averaged_curves == pytest.approx(-10)
    assert found.averaged_curves_akima == pytest.approx(-10)
    assert (found.compared, found.files) == (2, 2)


def test_files_without_overlap_are_left_out_and_counted() -> None:
    files = {"a": (smooth(0.5), smooth()), "b": (smooth(start=0), smooth(start=40))}
    found = compare(smooth(), smooth(), files, count=3)
    assert found.mean_of_files == pytest.approx(-50)
    assert (found.compared, found.files) == (1, 3)
    assert compare(smooth(), smooth()).mean_of_files is None


def test_where_methods_differ_both_are_told() -> None:
    bent = curve([(0.1, 30), (0.11, 33), (0.5, 33.5), (2, 40)])
    found = compare(bent, smooth())
    assert found.averaged_curves != pytest.approx(found.averaged_curves_akima, abs=0.01)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert delta_rate(bent, smooth(), "akima") == found.averaged_curves_akima
