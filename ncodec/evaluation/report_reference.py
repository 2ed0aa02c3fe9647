"""Published curves to draw beside our own: one JSON file, `codecs` -> name -> lists of numbers.

A curve has "bpp" and, as far as published, "psnr" (dB) and "ms_ssim_db" (dB) of the same length;
"dataset" says what they were measured on. `other_sources` may hold more curves of this shape.
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ncodec.errors import InputError, OptionError
from ncodec.evaluation.report_curves import Published

METRICS = ("psnr", "ms_ssim_db")
USUAL = (
    "jpeg",
    "webp",
    "bpg-444",
    "av1",
    "vtm",
    "bmshj2018-hyperprior_mse_8bit",
    "mbt2018-mean_mse_8bit",
    "cheng2020-anchor_mse_8bit",
)
"""Shown unless others are asked for: classical codecs, and networks that everyone compares with."""

_ROOMS = ("codecs", "other_sources")
_LISTED = 8


@dataclass(frozen=True)
class Reference:
    """Published curves by metric, and what they were measured on."""

    dataset: str = ""
    curves: dict[str, tuple[Published, ...]] = field(default_factory=dict)


def read_reference(path: Path, names: Sequence[str] = ()) -> Reference:
    """The curves called `names`, else the usual ones, of a reference file.

    `InputError` for a file that can't be read or is none, `OptionError` for an unknown name.
    """
    whole = _parsed(path)
    known = {
        str(name): entry for room in _ROOMS for name, entry in dict(whole.get(room) or {}).items()
    }
    if not known:
        raise InputError(f"{path}: holds no published curves (an object `codecs` of curves)")
    chosen = [_known(name, known) for name in names] or _usual(known)
    curves = {
        metric: tuple(_published(path, name, known[name], metric) for name in chosen)
        for metric in METRICS
    }
    whole_curves = {
        metric: tuple(curve for curve in found if curve.points) for metric, found in curves.items()
    }
    return Reference(str(whole.get("dataset", "")), whole_curves)


def _parsed(path: Path) -> dict[str, Any]:
    try:
        whole = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON ({error})") from error
    rooms = [whole.get(room) or {} for room in _ROOMS] if isinstance(whole, dict) else [None]
    if not all(isinstance(room, dict) for room in rooms):
        raise InputError(f"{path}: not a file of published curves (an object `codecs` of curves)")
    found: dict[str, Any] = whole
    return found


def _known(name: str, known: dict[str, Any]) -> str:
    if name in known:
        return name
    near = difflib.get_close_matches(name, known, _LISTED, 0.4) or sorted(known)[:_LISTED]
    raise OptionError(f"no published curve {name!r}; there are: {', '.join(near)}, ...")


def _usual(known: dict[str, Any]) -> list[str]:
    return [name for name in USUAL if name in known] or list(known)[:_LISTED]


def _published(path: Path, name: str, entry: object, metric: str) -> Published:
    """The points of one curve; none where the metric was not published."""
    if not isinstance(entry, dict) or not _numbers(entry.get("bpp")):
        raise InputError(f"{path}: curve {name!r}: bpp must be a list of numbers")
    values = entry.get(metric)
    if values is None:
        return Published(name, ())
    if not _numbers(values) or len(values) != len(entry["bpp"]):
        raise InputError(f"{path}: curve {name!r}: {metric} must be as many numbers as bpp")
    return Published(name, tuple(sorted(zip(entry["bpp"], values, strict=True))))


def _numbers(values: object) -> bool:
    return isinstance(values, list) and all(
        isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v) for v in values
    )
