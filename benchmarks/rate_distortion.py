"""Rate and distortion of ncodec, JPEG and WebP on a folder of pictures.

Rates count whole files, distortion is PSNR over RGB; ncodec's qualities span about 0.12 to 1.6
bits a pixel on photographs. Bjontegaard rates integrate logarithms of rates, interpolated by
PCHIP, over the PSNRs that both curves have: for each picture (then averaged), and for the curves
averaged over pictures. JPEG and WebP are Pillow's; WebP with method 4, its default.

Run it as `python benchmarks/rate_distortion.py FOLDER [--json FILE] [--markdown FILE]`.
"""

import argparse
import io
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import PIL.Image
from bjontegaard import bd_rate
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

import ncodec
from ncodec.media import load_image

Pixels = NDArray[np.uint8]
Coder = Callable[[Pixels, float], tuple[int, Pixels]]
"""Pixels and a quality -> bytes of the file and the decoded pixels."""
Curve = NDArray[np.float64]
"""Bits a pixel and dB, [points, 2], both rising."""

QUALITIES = {
    "ncodec": (0, 4, 8, 14, 20, 28, 36, 44, 52, 60, 70, 80),
    "JPEG": (2, 4, 8, 12, 20, 30, 45, 60, 75, 85, 92, 95),
    "WebP": (0, 2, 5, 15, 30, 50, 65, 75, 83, 90, 95, 98),
}
SUFFIXES = {".avif", ".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"}
COMPARED = 200


@dataclass(frozen=True)
class Comparison:
    """ncodec against another codec; rates in percent of the other's, negative is better.

    `overlap` is the range in dB that both averaged curves have. `always_smaller` says whether
    ncodec's averaged curve needs fewer bytes everywhere in it; `worst` is the rate where it gains
    least, at `worst_at` dB. `pictures_smaller` counts the pictures for which the same holds.
    """

    mean_of_pictures: float
    pictures: int
    averaged_curves: float
    overlap: tuple[float, float]
    always_smaller: bool
    worst: float
    worst_at: float
    pictures_smaller: int


def psnr(first: Pixels, second: Pixels) -> float:
    """Over all channels, in dB; 100 for equal pictures."""
    mse = float(np.mean((first.astype(np.float64) - second) ** 2))
    return min(100.0, 10 * math.log10(255**2 / mse)) if mse else 100.0


def with_pillow(
    format: str, options: dict[str, int], pixels: Pixels, q: float
) -> tuple[int, Pixels]:
    file = io.BytesIO()
    PIL.Image.fromarray(pixels).save(file, format, quality=int(q), **options)
    with PIL.Image.open(file) as opened:
        return len(file.getvalue()), np.asarray(opened.convert("RGB"))


def with_ncodec(codec: ncodec.Codec, pixels: Pixels, quality: float) -> tuple[int, Pixels]:
    data = codec.encode(pixels, quality=quality)
    return len(data), codec.decode(data).array


def coders() -> dict[str, Coder]:
    return {
        "ncodec": partial(with_ncodec, ncodec.load_codec()),
        "JPEG": partial(with_pillow, "JPEG", {}),
        "WebP": partial(with_pillow, "WEBP", {"method": 4}),
    }


def points(
    coder: Coder, pixels: Pixels, qualities: Sequence[float]
) -> list[tuple[int, float, float]]:
    """Bytes, bits a pixel and PSNR at each quality."""
    measured = []
    for quality in qualities:
        size, decoded = coder(pixels, quality)
        measured.append((size, 8 * size / (pixels.size // 3), psnr(pixels, decoded)))
    return measured


def rising(measured: Curve) -> Curve:
    """The points that are better than all cheaper ones: what a curve can go through."""
    ordered = measured[np.argsort(measured[:, 0], kind="stable")]
    best = np.maximum.accumulate(np.concatenate([[-np.inf], ordered[:-1, 1]]))
    return ordered[ordered[:, 1] > best]


def common(ours: Curve, theirs: Curve) -> tuple[float, float]:
    """The PSNRs that both curves have; `SystemExit` if there are none."""
    low, high = max(ours[0, 1], theirs[0, 1]), min(ours[-1, 1], theirs[-1, 1])
    if low >= high:
        raise SystemExit("curves without a common PSNR can't be compared; add qualities")
    return float(low), float(high)


def bjontegaard_rate(ours: Curve, theirs: Curve) -> float:
    """Percent of `theirs` that `ours` takes more (or, negative, less)."""
    common(ours, theirs)
    columns = (*theirs.T, *ours.T)
    return float(bd_rate(*columns, method="pchip", require_matching_points=False, min_overlap=0))


def excess(ours: Curve, theirs: Curve) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """PSNRs over the common range, and percent of the rate there that `ours` takes more."""
    grid = np.linspace(*common(ours, theirs), COMPARED)
    logs = [PchipInterpolator(curve[:, 1], np.log(curve[:, 0]))(grid) for curve in (ours, theirs)]
    return grid, 100 * (np.exp(logs[0] - logs[1]) - 1)


def compare(ours: Curve, theirs: Curve) -> Comparison:
    """Two codecs, [pictures, qualities, (bits a pixel, dB)]; rows of qualities may differ."""
    pairs = [(rising(a), rising(b)) for a, b in zip(ours, theirs, strict=True)]
    averages = rising(ours.mean(0)), rising(theirs.mean(0))
    grid, more = excess(*averages)
    return Comparison(
        mean_of_pictures=float(np.mean([bjontegaard_rate(*pair) for pair in pairs])),
        pictures=len(pairs),
        averaged_curves=bjontegaard_rate(*averages),
        overlap=common(*averages),
        always_smaller=bool((more < 0).all()),
        worst=float(more.max()),
        worst_at=float(grid[more.argmax()]),
        pictures_smaller=sum(bool((excess(*pair)[1] < 0).all()) for pair in pairs),
    )


def markdown(curves: dict[str, Curve], comparisons: dict[str, Comparison]) -> str:
    """A table of ncodec's averaged curve, and one of the comparisons."""
    lines = ["| quality | bits a pixel | PSNR (dB) |", "|---|---|---|"]
    for quality, (bpp, db) in zip(QUALITIES["ncodec"], curves["ncodec"].mean(0), strict=True):
        lines.append(f"| {quality} | {bpp:.3f} | {db:.2f} |")
    lines += [
        "",
        "| against | rate, mean of pictures | rate, averaged curves | over | smaller everywhere |",
        "|---|---|---|---|---|",
    ]
    for name, c in comparisons.items():
        everywhere = (
            f"{'yes' if c.always_smaller else 'no'} (at worst {c.worst:+.1f} % at {c.worst_at:.1f}"
            f" dB; {c.pictures_smaller} of {c.pictures} pictures)"
        )
        lines.append(
            f"| {name} | {c.mean_of_pictures:+.1f} % | {c.averaged_curves:+.1f} % "
            f"| {c.overlap[0]:.1f} to {c.overlap[1]:.1f} dB | {everywhere} |"
        )
    return "\n".join(lines) + "\n"


def measure(folder: Path) -> dict[str, dict[str, list[tuple[int, float, float]]]]:
    """Points by codec and picture."""
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise SystemExit(f"{folder}: no pictures")
    measured: dict[str, dict[str, list[tuple[int, float, float]]]] = {}
    for name, coder in coders().items():
        measured[name] = {}
        for path in paths:
            pixels = np.asarray(load_image(path).to_pil().convert("RGB"))
            measured[name][path.name] = points(coder, pixels, QUALITIES[name])
            print(f"{name} {path.name}", flush=True)
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--markdown", type=Path, metavar="FILE")
    options = parser.parse_args()
    measured = measure(options.folder)
    curves = {name: np.array([*rows.values()])[..., 1:] for name, rows in measured.items()}
    against = {name: compare(curves["ncodec"], curves[name]) for name in ("JPEG", "WebP")}
    table = markdown(curves, against)
    print(table)
    if options.json:
        result = {
            "qualities": QUALITIES,
            "points": measured,
            "averages": {name: curve.mean(0).tolist() for name, curve in curves.items()},
            "against": {name: asdict(comparison) for name, comparison in against.items()},
        }
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    if options.markdown:
        options.markdown.write_text(table)


if __name__ == "__main__":
    main()
