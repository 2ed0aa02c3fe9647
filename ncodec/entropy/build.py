"""Making frequency tables, once, when a model is exported. Decoding never comes here."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ncodec.entropy.tables import TOTAL, Tables
from ncodec.errors import InputError

TAIL_MASS = 2.0**-20


def gaussian_tables(n: int = 64, scale_min: float = 0.11, scale_max: float = 256.0) -> Tables:
    """Zero-mean discretised Gaussians, one a row, with log-spaced scales.

    Row `i` has the standard deviation `scale_min * (scale_max / scale_min) ** (i / (n - 1))`. Each
    row is symmetric and cut where the mass beyond both ends is at most 2**-20; the escape has it.

    Raises:
        InputError: scales that are not `0 < scale_min < scale_max`, or fewer than 2 rows.
    """
    if n < 2 or not 0 < scale_min < scale_max < 1e4:
        raise InputError(f"{n} scales from {scale_min} to {scale_max} are no log-spaced set")
    rows = [_gaussian_row(scale) for scale in np.geomspace(scale_min, scale_max, n).tolist()]
    return _stack(rows, np.array([-(len(row) // 2 - 1) for row in rows], np.int32))


def count_symbols(symbols: ArrayLike, rows: ArrayLike, tables: Tables) -> NDArray[np.int64]:
    """How often each entry of `tables` was used, int64 `[rows, width]`: for `counted_tables`.

    Args:
        symbols: integers of any shape.
        rows: integers of the same shape, the table row of each symbol.
        tables: symbols outside a row count for its escape.
    """
    row_index = np.asarray(rows, np.int64).reshape(-1)
    index = np.asarray(symbols, np.int64).reshape(-1) - tables.low[row_index]
    last = tables.length[row_index] - 1
    entry = np.where((index < 0) | (index > last), last, index)
    width = tables.counts.shape[1]
    flat = np.bincount(row_index * width + entry, minlength=tables.counts.size)
    return flat.reshape(tables.counts.shape).astype(np.int64)


def counted_tables(
    histograms: NDArray[np.int64],
    low: ArrayLike,
    prior: Tables | None = None,
    strength: float = 1.0,
) -> Tables:
    """Tables fitted to counted symbols, smoothed toward a prior.

    Args:
        histograms: `[rows, width]`; column `j` of row `r` counts the symbol `low[r] + j`; the last
            column (with a prior: the last that the prior uses) counts all other symbols.
        low: integers `[rows]`, or one for all rows: the smallest symbol of each row.
        prior: tables with the same rows, lows and lengths; without it the prior is uniform.
        strength: how many observations the prior weighs as; above 0.

    Raises:
        InputError: the arguments don't fit each other.
    """
    counted = np.asarray(histograms)
    if counted.ndim != 2 or counted.size == 0 or counted.min() < 0 or not strength > 0:
        raise InputError("histograms [rows, width] of counts >= 0 and a strength > 0 are needed")
    lows = np.broadcast_to(np.asarray(low, np.int32), (len(counted),))
    if prior is None:
        return _stack([_smoothed(row, np.ones(len(row)), strength) for row in counted], lows)
    if counted.shape != prior.counts.shape or (lows != prior.low).any():
        raise InputError("the prior's rows, lows and width must be the histograms'")
    pairs = zip(counted, prior.counts, prior.length.tolist(), strict=True)
    return _stack([_smoothed(row[:n], counts[:n], strength) for row, counts, n in pairs], lows)


def normalise(masses: ArrayLike) -> NDArray[np.int32]:
    """Integer counts `[n]` in proportion to masses `[n]`: each >= 1, exactly 2**24 in total.

    Every entry gets one count; the rest is shared out in proportion, largest remainders first.

    Raises:
        InputError: a mass is negative or not finite, all are zero, or there are not 2..2**16.
    """
    weights = np.asarray(masses, np.float64)
    if weights.ndim != 1 or not 2 <= weights.size <= 1 << 16:
        raise InputError(f"masses {weights.shape}: 2 to {1 << 16} values are needed")
    total = weights.sum()
    if not (np.isfinite(total) and total > 0 and weights.min() >= 0):
        raise InputError("masses must be >= 0, finite and not all zero")
    shares = weights / total * (TOTAL - weights.size)
    counts: NDArray[np.int32] = np.floor(shares).astype(np.int32)
    missing = TOTAL - weights.size - int(counts.sum())
    counts[np.argsort(counts - shares, kind="stable")[:missing]] += 1
    return counts + np.int32(1)


def logistic_tables(scales: ArrayLike, centers: ArrayLike = 0.0) -> Tables:
    """Discretised logistic distributions, one a row: heavier tails than Gaussians.

    Args:
        scales: standard deviations `[rows]`.
        centers: means, one for all rows or `[rows]`; 0 gives symmetric rows.

    Raises:
        InputError: scales or centers that are not finite, or scales outside 0..1e4.
    """
    sigma = np.atleast_1d(np.asarray(scales, np.float64))
    mean = np.broadcast_to(np.asarray(centers, np.float64), sigma.shape)
    if not (np.isfinite(mean).all() and (sigma > 0).all() and (sigma < 1e4).all()):
        raise InputError("logistic tables need finite centers and scales in 0..1e4")
    rows, low = [], []
    for scale, center in zip(sigma.tolist(), mean.tolist(), strict=True):
        reach = max(1, int(np.ceil(scale * (np.sqrt(3) / np.pi) * -np.log(TAIL_MASS / 2))))
        first = round(center) - reach
        rows.append(_logistic_row(scale, center - first, 2 * reach + 1))
        low.append(first)
    return _stack(rows, np.array(low, np.int32))


def _logistic_row(scale: float, center: float, size: int) -> NDArray[np.int32]:
    from scipy.special import expit

    edges = (np.arange(size + 1) - 0.5 - center) * (np.pi / (np.sqrt(3) * scale))
    above = edges > 0  # the smaller tail on each side, so that nothing cancels
    tails = expit(-np.abs(edges))
    masses = np.where(
        above[:-1],
        tails[:-1] - tails[1:],
        np.where(above[1:], 1 - tails[:-1] - tails[1:], tails[1:] - tails[:-1]),
    )
    return normalise([*np.maximum(masses, 0), tails[0] + tails[-1]])


def _gaussian_row(scale: float) -> NDArray[np.int32]:
    from scipy.special import ndtr, ndtri

    reach = max(1, int(np.ceil(-scale * ndtri(TAIL_MASS / 2) - 0.5)))
    edges = (np.arange(reach + 1) - 0.5) / scale
    half = ndtr(-edges) - ndtr(-(edges + 1 / scale))  # of 0 .. reach; in the tail, no cancellation
    escape = 2 * ndtr(-(reach + 0.5) / scale)
    return normalise([*half[:0:-1], *half, escape])


def _smoothed(
    counted: NDArray[np.int64], prior: NDArray[np.int32] | NDArray[np.float64], strength: float
) -> NDArray[np.int32]:
    return normalise(counted + strength * (prior / prior.sum()))


def _stack(rows: list[NDArray[np.int32]], low: NDArray[np.int32]) -> Tables:
    length = np.array([len(row) for row in rows], np.int32)
    counts = np.zeros((len(rows), length.max()), np.int32)
    for target, row in zip(counts, rows, strict=True):
        target[: len(row)] = row
    return Tables(counts, low, length)
