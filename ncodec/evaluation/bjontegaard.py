"""Bjontegaard delta rates: how many percent more one codec takes for the same quality.

The logarithm of the rate is interpolated over quality and averaged over the qualities that both
curves have (G. Bjontegaard, VCEG-M33, 2001), with PCHIP (F. N. Fritsch and R. E. Carlson, 1980)
or Akima's splines (H. Akima, 1970) in place of the cubic polynomial of that text: neither swings
between the points. Two answers differ where files do: the mean of the rates of single files, and
the rate of the curves averaged over files. Both are given.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ncodec.errors import InputError, OptionError

__all__ = ["Comparison", "Curve", "compare", "curve", "delta_rate", "overlap"]

Curve = NDArray[np.float64]
"""Rates (any unit) and qualities (dB or another scale where more is better), [points, 2], both
rising."""

METHODS = ("pchip", "akima")
_FEWEST = 2


@dataclass(frozen=True)
class Comparison:
    """One codec against another; rates in percent of the other's, negative is smaller.

    `mean_of_files` and `mean_of_files_akima` average the rates of the `compared` of `files` single
    files whose curves overlap (None if there is none); `averaged_curves` and
    `averaged_curves_akima` compare the curves averaged over files. `overlap` is the range of
    qualities that the averaged curves have in common, `overlap_share` its share of the range
    that either has.
    """

    mean_of_files: float | None
    mean_of_files_akima: float | None
    compared: int
    files: int
    averaged_curves: float
    averaged_curves_akima: float
    overlap: tuple[float, float]
    overlap_share: float


def curve(points: Iterable[tuple[float, float]]) -> Curve:
    """Sort (rate, quality) points into a curve; those no better than a cheaper one are left out.

    Rates must be above 0. `InputError` if fewer than two points are left.
    """
    table = np.array([*points], np.float64).reshape(-1, 2)
    if not np.isfinite(table).all() or (table[:, 0] <= 0).any():
        raise InputError("a point of a curve needs a rate above 0 and a finite quality")
    ordered = table[np.lexsort((-table[:, 1], table[:, 0]))]
    best = np.maximum.accumulate(np.concatenate([[-np.inf], ordered[:-1, 1]]))
    rising: Curve = ordered[ordered[:, 1] > best]
    if len(rising) < _FEWEST:
        raise InputError(f"a curve needs {_FEWEST} points that rise, not {len(rising)}")
    return rising


def overlap(first: Curve, second: Curve) -> tuple[float, float]:
    """The lowest and highest quality that both curves have; `InputError` if there is none."""
    low, high = max(first[0, 1], second[0, 1]), min(first[-1, 1], second[-1, 1])
    if low >= high:
        raise InputError(
            f"no quality in common: {_span(first)} against {_span(second)}; measure more qualities"
        )
    return float(low), float(high)


def _span(points: Curve) -> str:
    return f"{points[0, 1]:.4g} to {points[-1, 1]:.4g}"


def delta_rate(ours: Curve, theirs: Curve, method: str = "pchip") -> float:
    """Percent of `theirs` that `ours` takes more (or, negative, less) for the same quality.

    `method` is "pchip" or "akima". `InputError` if no quality is common to both.
    """
    low, high = overlap(ours, theirs)
    mean_log = [_integral(points, low, high, method) / (high - low) for points in (ours, theirs)]
    return float(100 * np.expm1(mean_log[0] - mean_log[1]))


def _integral(points: Curve, low: float, high: float, method: str) -> float:
    """Of log-rate over quality, from `low` to `high`."""
    return float(_interpolator(method)(points[:, 1], np.log(points[:, 0])).integrate(low, high))


def _interpolator(method: str) -> Callable[..., Any]:
    """The class that interpolates. `OptionError` for an unknown name."""
    from scipy.interpolate import Akima1DInterpolator, PchipInterpolator

    kinds: dict[str, Callable[..., Any]] = dict(
        zip(METHODS, (PchipInterpolator, Akima1DInterpolator), strict=True)
    )
    if method not in kinds:
        raise OptionError(f"method {method!r}: must be {' or '.join(METHODS)}")
    return kinds[method]


def compare(
    ours: Curve,
    theirs: Curve,
    files: Mapping[str, tuple[Curve, Curve]] | None = None,
    *,
    count: int | None = None,
) -> Comparison:
    """Compare two averaged curves, and the two curves of every file.

    `InputError` if the averaged curves have no quality in common; single files without one are
    left out. `count` is the number of files where some have no curve.
    """
    low, high = overlap(ours, theirs)
    both = np.concatenate([ours[:, 1], theirs[:, 1]])
    pairs = list((files or {}).values())
    usable = [pair for pair in pairs if _overlaps(*pair)]
    return Comparison(
        mean_of_files=_mean(usable, "pchip"),
        mean_of_files_akima=_mean(usable, "akima"),
        compared=len(usable),
        files=len(pairs) if count is None else count,
        averaged_curves=delta_rate(ours, theirs),
        averaged_curves_akima=delta_rate(ours, theirs, "akima"),
        overlap=(low, high),
        overlap_share=float((high - low) / (both.max() - both.min())),
    )


def _overlaps(first: Curve, second: Curve) -> bool:
    return bool(max(first[0, 1], second[0, 1]) < min(first[-1, 1], second[-1, 1]))


def _mean(pairs: list[tuple[Curve, Curve]], method: str) -> float | None:
    rates = [delta_rate(*pair, method=method) for pair in pairs]
    return float(np.mean(rates)) if rates else None
