"""Meeting a target: a search over rate steps, for any codec whose figures rise with the step."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from ncodec.errors import OptionError

T = TypeVar("T")
Attempt = Callable[[int], tuple[float, T]]

CLOSE = 0.002
"""Relative distance to a ceiling at which the search is content."""


@dataclass(frozen=True)
class Trial(Generic[T]):
    """One encoding at a rate step, and its figure: bytes or dB."""

    step: int
    figure: float
    result: T


def highest_below(
    attempt: Attempt[T], steps: int, ceiling: float, what: str
) -> tuple[Trial[T], str | None]:
    """The highest of the steps 0..steps-1 whose figure does not exceed `ceiling`, or one close.

    `attempt` encodes at a step and returns (figure, result). Returns the trial, and a warning if
    the target is above the range. `OptionError` if even step 0 exceeds it.
    """
    low = _try(attempt, 0)
    if low.figure > ceiling:
        raise OptionError(f"{what}: {ceiling:g} is below the lowest possible, {low.figure:.6g}")
    high = _try(attempt, steps - 1)
    if high.figure <= ceiling:
        return high, f"{what}: {ceiling:g} is above the best possible, {high.figure:.6g}"
    while high.step - low.step > 1 and low.figure < (1 - CLOSE) * ceiling:
        low, high = _narrow(attempt, low, high, ceiling)
    return low, None


def lowest_reaching(
    attempt: Attempt[T], steps: int, floor: float, what: str
) -> tuple[Trial[T], str | None]:
    """The lowest of the steps whose figure reaches `floor`; otherwise as `highest_below`."""
    low, high = _try(attempt, 0), _try(attempt, steps - 1)
    if low.figure >= floor:
        if low.figure > floor:
            raise OptionError(f"{what}: {floor:g} is below the lowest possible, {low.figure:.6g}")
        return low, None
    if high.figure < floor:
        return high, f"{what}: {floor:g} is above the best possible, {high.figure:.6g}"
    while high.step - low.step > 1:
        low, high = _narrow(attempt, low, high, floor)
    return high, None


def _try(attempt: Attempt[T], step: int) -> Trial[T]:
    figure, result = attempt(step)
    return Trial(step, figure, result)


def _narrow(
    attempt: Attempt[T], low: Trial[T], high: Trial[T], wanted: float
) -> tuple[Trial[T], Trial[T]]:
    """One round: try where the logarithms' straight line meets the target, off the brackets."""
    span = high.step - low.step
    rise = math.log(high.figure / low.figure) if high.figure > low.figure else 1.0
    share = math.log(max(wanted / low.figure, 1.0)) / rise
    margin = max(1, span // 16)
    step = min(max(low.step + round(share * span), low.step + margin), high.step - margin)
    middle = _try(attempt, step)
    return (middle, high) if middle.figure <= wanted else (low, middle)
