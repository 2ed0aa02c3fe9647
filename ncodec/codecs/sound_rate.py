"""Meeting a ceiling of bytes: estimates find the price of a bit, whole files confirm it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from ncodec.errors import OptionError

TRIALS = 12
ROUNDING = 1e-6
"""What a ceiling may be off by when it was computed."""
CLOSE = 0.01
"""Relative distance below a ceiling at which the search is content."""


@dataclass(frozen=True)
class Fit:
    """The file that was chosen, the step of its price, and a warning if the ceiling is far."""

    data: bytes
    step: int
    warning: str | None


def fit_below(
    attempt: Callable[[int], bytes],
    estimate: Callable[[int], float],
    last: int,
    ceiling: float,
    what: Callable[[float], str],
    stride: int = 1,
) -> Fit:
    """The largest file of at most `ceiling` bytes, or one that is close to it.

    Args:
        attempt: the whole file at a step, 0..last.
        estimate: about how many bytes that is; rises with the step.
        last: the last step.
        ceiling: bytes.
        what: words for so many bytes, in the user's unit.
        stride: estimates of its multiples are quick.

    Raises:
        OptionError: even the smallest file is larger.
    """
    known: dict[int, bytes] = {}
    guess, ratio, low, high = cache(estimate), 1.0, -1, last + 1
    while len(known) < TRIALS and high - low > 1:
        aim = (1 - CLOSE / 3) * ceiling / ratio
        step = min(max(_highest(guess, last, aim, stride), low + 1), high - 1)
        data = known[step] = attempt(step)
        ratio = len(data) / max(guess(step), 1.0)
        low, high = (step, high) if len(data) <= ceiling + ROUNDING else (low, step)
        if (1 - CLOSE) * ceiling <= len(data) <= ceiling + ROUNDING:
            break
    if low < 0:
        return _lowest(known.get(0) or attempt(0), ceiling, what)
    best = known[low]
    warning = None
    if low == last and len(best) < (1 - CLOSE) * ceiling:
        warning = f"{what(ceiling)} is above the best possible, {what(len(best))}"
    return Fit(best, low, warning)


def _lowest(smallest: bytes, ceiling: float, what: Callable[[float], str]) -> Fit:
    if len(smallest) > ceiling + ROUNDING:
        raise OptionError(f"{what(ceiling)} is below the lowest possible, {what(len(smallest))}")
    return Fit(smallest, 0, None)


def _highest(estimate: Callable[[int], float], last: int, ceiling: float, stride: int) -> int:
    """The highest step whose estimate is at most `ceiling`; 0 if none is."""
    low, high = 0, last + 1
    for unit in (stride, 1):
        while (middle := (low + high) // 2 // unit * unit) > low:
            low, high = (middle, high) if estimate(middle) <= ceiling else (low, middle)
    return low
