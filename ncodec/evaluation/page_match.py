"""Which files a page shows, and the quality at which a codec comes nearest a size."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePath

from ncodec.errors import InputError, OptionError
from ncodec.evaluation.folder import File, Loaded, load
from ncodec.evaluation.results import Results, Row
from ncodec.evaluation.subjects import Subject

Point = tuple[float, float]
"""A quality of a codec's own knob, and the rate that it gave."""
Coded = tuple[float, bytes]
"""A quality and the file that it gave."""

_STEPS = 6
_CLOSE = 0.015


def choose(rows: Iterable[Row], media: str, names: Sequence[str], count: int) -> list[str]:
    """The files called `names`, else `count` files spread over all that most codecs coded.

    `OptionError` for a name that the rows do not have.
    """
    codecs: dict[str, set[str]] = {}
    for row in rows:
        if row.error is None and row.media == media:
            codecs.setdefault(row.file, set()).add(row.codec)
    unknown = [name for name in names if name not in codecs]
    if unknown:
        raise OptionError(f"{unknown[0]}: no such {media} in the result; it has {_some(codecs)}")
    if names:
        return list(names)
    most = max(map(len, codecs.values()), default=0)
    whole = sorted(name for name, found in codecs.items() if len(found) == most)
    return _spread(whole, count)


def _some(names: Iterable[str]) -> str:
    known = sorted(names)
    return ", ".join(known[:5]) + (", ..." if len(known) > 5 else "") if known else "none"


def _spread(names: Sequence[str], count: int) -> list[str]:
    """`count` of the names at equal distances."""
    if len(names) <= count:
        return list(names)
    return [names[(2 * i + 1) * len(names) // (2 * count)] for i in range(count)]


def nearest(points: Sequence[Point], target: float) -> Point:
    """The (quality, rate) whose rate is nearest, as a factor."""
    return min(points, key=lambda point: _distance(point[1], target))


def matched(
    points: Sequence[Point],
    target: float,
    encode: Callable[[float], bytes],
    rate_of: Callable[[bytes], float],
) -> Coded:
    """Encode at the whole quality whose rate comes nearest `target`.

    `points` are the (quality, rate) measured before. Between the two around `target` the qualities
    are halved; beyond the range the nearest measured one is taken.
    """
    best, rate = nearest(points, target)
    data = encode(best)
    rate = rate_of(data)
    below = max((p for p in points if p[1] <= target), key=lambda p: p[1], default=None)
    above = min((p for p in points if p[1] > target), key=lambda p: p[1], default=None)
    for _ in range(_STEPS):
        middle = _between(below, above)
        if middle is None or _distance(rate, target) < _CLOSE:
            break
        tried = encode(middle)
        here = (middle, rate_of(tried))
        below, above = (here, above) if here[1] <= target else (below, here)
        if _distance(here[1], target) < _distance(rate, target):
            best, rate, data = middle, here[1], tried
    return best, data


def _between(below: Point | None, above: Point | None) -> float | None:
    """A whole quality strictly between two, or None."""
    if below is None or above is None:
        return None
    low, high = sorted((below[0], above[0]))
    middle = float(round((low + high) / 2))
    return middle if low < middle < high else None


def _distance(rate: float, target: float) -> float:
    return abs(math.log(rate / target))


def measured_points(rows: Iterable[Row], media: str, name: str) -> dict[str, list[Point]]:
    """Codec -> (quality, rate) of one file."""
    found: dict[str, list[Point]] = {}
    for row in rows:
        rate = row.bpp if media == "image" else row.kbps
        if row.error is None and row.media == media and row.file == name and rate and rate > 0:
            found.setdefault(row.codec, []).append((row.quality, rate))
    return found


def original(results: Results, folder: Path, name: str) -> Loaded:
    """The file called `name` below `folder`, if it is the one that was evaluated.

    `InputError` if it is not there, lies elsewhere by its name, or has changed since.
    """
    path = folder / name
    try:
        here = (
            not PurePath(name).is_absolute() and ".." not in PurePath(name).parts and path.is_file()
        )
    except (OSError, ValueError):
        here = False
    if not here:
        raise InputError(f"{name}: no such file in {folder}")
    loaded = load(File(path, name))
    sources = {row.source for row in results.rows if row.file == name and row.source is not None}
    if sources and loaded.source not in sources:
        raise InputError(f"{name}: the one in {folder} is not the one that was evaluated")
    return loaded


def changed(results: Results, subject: Subject) -> str | None:
    """A sentence, if a codec is no longer the one that the rows come from."""
    then, now = results.codecs.get(subject.name), subject.note
    if then is None or then == now:
        return None
    return (
        f"{subject.name}: shown as it is now ({now.model or now.version}), not as it was evaluated"
        f" ({then.model or then.version})"
    )
