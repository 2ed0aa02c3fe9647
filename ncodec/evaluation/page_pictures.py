"""Pictures of a page: a part of the original, and of what each codec makes of it at one size."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from ncodec.errors import NcodecError
from ncodec.evaluation.listener import said_of
from ncodec.evaluation.metrics import psnr
from ncodec.evaluation.page_match import (
    Point,
    changed,
    choose,
    matched,
    measured_points,
    original,
)
from ncodec.evaluation.page_media import Exhibit, Exhibition, Version
from ncodec.evaluation.results import Results
from ncodec.evaluation.subjects import Subject
from ncodec.media import Image

Pixels = NDArray[np.uint8]
"""RGB, [H, W, 3]."""

SHOWN = 3
WIDTH, HEIGHT = 640, 448
"""Of the part that is shown, at most; it lies in the middle."""
LOSSLESS = 101
GRADES = (LOSSLESS, 97, 95, 92, 88, 82, 75)
"""Qualities of WebP, in the order in which they are tried."""


@dataclass(frozen=True)
class _Part:
    """One version before it is packed."""

    label: str
    note: str
    pixels: Pixels


def exhibit(
    results: Results,
    folder: Path,
    names: Sequence[str],
    rate: float,
    open_subject: Callable[[str], Subject],
    budget: int,
) -> Exhibition:
    """Code the pictures `names` of `folder` (else three) again, near `rate` bits a pixel.

    All data takes at most `budget` bytes, if the lowest grade allows it. What fails is named in
    `problems`, and the rest is shown. `OptionError` for a name that the result does not have.
    """
    drafts: dict[str, list[_Part]] = {}
    problems: list[str] = []
    for name in choose(results.rows, "image", names, SHOWN):
        try:
            image = original(results, folder, name).media
            size = f"{image.width}x{image.height}"
            drafts[name] = [_Part("original", size, _middle(_pixels(image)))]
            drafts[name] += _parts(results, name, image, rate, open_subject, problems)
        except NcodecError as error:
            problems.append(str(error))
    packed, grade = _packed({n: parts for n, parts in drafts.items() if len(parts) > 1}, budget)
    note = _note(rate, grade) if packed else "None of the pictures could be coded again."
    return Exhibition(packed, note, tuple(dict.fromkeys(problems)))


def _note(bpp: float, grade: int) -> str:
    kept = "without loss" if grade == LOSSLESS else f"as WebP of quality {grade}"
    return (
        f"Each codec was run again at the quality that comes nearest {bpp:g} bits a pixel. Sizes "
        f"and PSNR are those of whole pictures; the middle of each is shown, kept {kept}."
    )


def _pixels(image: Image) -> Pixels:
    return np.asarray(image.to_pil().convert("RGB"))


def _middle(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    top, left = max(0, height - HEIGHT) // 2, max(0, width - WIDTH) // 2
    return pixels[top : top + HEIGHT, left : left + WIDTH]


def _parts(
    results: Results,
    name: str,
    image: Image,
    bpp: float,
    open_subject: Callable[[str], Subject],
    problems: list[str],
) -> Iterator[_Part]:
    """What each codec makes of a picture."""
    for codec, points in measured_points(results.rows, "image", name).items():
        try:
            subject = open_subject(codec)
            yield _part(subject, image, points, bpp)
        except Exception as error:  # Other packages' codecs may raise anything.
            problems.append(f"{name}: {codec}: {said_of(error)}")
        else:
            problems += filter(None, [changed(results, subject)])


def _part(subject: Subject, image: Image, points: Sequence[Point], bpp: float) -> _Part:
    """What a codec makes of a picture; `points` are what it measured there."""
    bits = 8 / (image.width * image.height)
    _, data = matched(points, bpp, partial(subject.encode, image), lambda file: bits * len(file))
    pixels = _pixels(subject.decode(data))
    planes = [part.transpose(2, 0, 1)[None] for part in (_pixels(image), pixels)]
    note = f"{bits * len(data):.3f} bpp, {psnr(*planes)[0]:.2f} dB"
    return _Part(subject.name, note, _middle(pixels))


def _packed(drafts: Mapping[str, Sequence[_Part]], budget: int) -> tuple[tuple[Exhibit, ...], int]:
    """The exhibits at the best grade within the budget, and that grade."""
    for grade in GRADES:
        made = tuple(_exhibit(name, parts, grade) for name, parts in drafts.items())
        if Exhibition(made).size <= budget:
            break
    return made, grade


def _exhibit(name: str, parts: Sequence[_Part], grade: int) -> Exhibit:
    versions = (Version(part.label, part.note, webp(part.pixels, grade)) for part in parts)
    height, width = parts[0].pixels.shape[:2]
    return Exhibit(name, tuple(versions), width, height)


def webp(pixels: Pixels, grade: int) -> bytes:
    """Pixels as a WebP file; `grade` is `LOSSLESS` or a quality."""
    file = io.BytesIO()
    picture = PIL.Image.fromarray(pixels)
    if grade == LOSSLESS:
        picture.save(file, "WEBP", lossless=True)
    else:
        picture.save(file, "WEBP", quality=grade, method=4)
    return file.getvalue()
