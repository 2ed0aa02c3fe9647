"""Plots of a result: metric over rate, and speed over rate; PNG or SVG.

Drawn without pyplot, so that no window system and no global state has a part in it. The same
result gives the same bytes with the same matplotlib.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ncodec.evaluation.report_curves import Chart, Point
from ncodec.evaluation.results import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

COLOURS = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#56b4e9", "#e69f00", "#7f5bd6",
    "#a23b3b", "#3f7d20", "#5b6770", "#c2185b",
)  # fmt: skip
"""Apart for colour-blind readers too: the first ones after Okabe and Ito."""
MARKERS = "osD^vPX*"
DASHES = ((0, (5, 2)), (0, (2, 1.5)), (0, (6, 2, 1.5, 2)), (0, (8, 3)))
DPI = 160
_TICKS = [step * 10.0**power for power in range(-4, 7) for step in (1, 2, 5)]
_LONGEST = 44
_FADED = 0.3


@dataclass(frozen=True)
class Look:
    """Colours of a plot; those of curves are mixed with white by the share `lighten`."""

    text: str
    grid: str
    background: str
    muted: str
    lighten: float = 0.0


LIGHT = Look("#1f2328", "#d8dce1", "#ffffff", "#6e7781")
DARK = Look("#e6e8eb", "#343a42", "#15191e", "#9aa4af", lighten=0.35)


@dataclass(frozen=True)
class Plot:
    """A plot as files, on a light ground; `phone` is an SVG of another shape."""

    png: bytes
    svg: bytes
    phone: bytes


def plot(draw: Callable[[bool], Figure]) -> Plot:
    """Draw a plot in both shapes; `draw` is told whether it is for a phone."""
    wide = draw(False)
    return Plot(as_png(wide), as_svg(wide), as_svg(draw(True)))


def rate_distortion(chart: Chart, narrow: bool = False) -> Figure:
    """The averaged curves of a chart, published ones dashed; the rate has a logarithmic axis."""
    figure, (axes,) = _canvas(1, len(chart.measured) + len(chart.published), narrow)
    curves = {name: points for name, points in chart.averages().items() if points}
    inks = _inks(chart)
    for index, (name, points) in enumerate(curves.items()):
        _line(axes, points, inks[name], MARKERS[index % len(MARKERS)], name)
    for index, other in enumerate(chart.published):
        dashes = DASHES[index % len(DASHES)]
        _line(axes, other.points, inks[other.name], "", f"{other.name}, published", dashes)
    measured = [point for points in curves.values() for point in points]
    _frame_rates(axes, measured)
    _frame_values(axes, measured)
    if not chart.scale.rising:
        axes.invert_yaxis()
    _name_axes(axes, chart.scale.rate_label, chart.scale.label)
    _legend(figure, axes, narrow)
    return figure


def speeds(rows: Iterable[Row], media: str) -> dict[str, dict[str, list[Point]]]:
    """ "encode" and "decode" -> codec -> (mean rate, speed) by rising rate.

    Speed is all pixels (in millions) or seconds of sound, divided by all seconds that they took.
    """
    found: dict[str, dict[str, list[Point]]] = {}
    for way in ("encode", "decode"):
        groups: dict[tuple[str, float], list[tuple[float, float, float]]] = {}
        for row in rows:
            sample = _speed_sample(row, media, way)
            if sample is not None:
                groups.setdefault((row.codec, row.quality), []).append(sample)
        curves: dict[str, list[Point]] = {}
        for (codec, _), samples in groups.items():
            rates, amounts, seconds = zip(*samples, strict=True)
            point = (sum(rates) / len(rates), sum(amounts) / sum(seconds))
            curves.setdefault(codec, []).append(point)
        found[way] = {codec: sorted(points) for codec, points in curves.items()}
    return found


def _speed_sample(row: Row, media: str, way: str) -> tuple[float, float, float] | None:
    """Rate, amount coded and seconds taken of a row."""
    rate, amount = (row.bpp, row.pixels) if media == "image" else (row.kbps, row.seconds)
    seconds = row.encode_seconds if way == "encode" else row.decode_seconds
    if row.error is not None or row.media != media or not rate or not amount or not seconds:
        return None
    if min(rate, amount, seconds) <= 0 or not math.isfinite(rate):
        return None
    return rate, amount / (1e6 if media == "image" else 1), seconds


def speed(
    found: Mapping[str, Mapping[str, Sequence[Point]]], media: str, narrow: bool = False
) -> Figure:
    """Speed over rate, both logarithmic: to encode and to decode, beside or below each other."""
    names = list(dict.fromkeys(name for curves in found.values() for name in curves))
    figure, panels = _canvas(2, len(names), narrow)
    unit = "megapixels a second" if media == "image" else "seconds of sound a second"
    rate = "bits a pixel" if media == "image" else "kbit/s"
    for axes, (way, curves) in zip(panels, found.items(), strict=True):
        for name, points in curves.items():
            index = names.index(name)
            _line(axes, points, _ink(index), MARKERS[index % len(MARKERS)], name)
        _frame_rates(axes, [point for points in curves.values() for point in points])
        _frame_speeds(axes, [value for points in curves.values() for _, value in points])
        axes.set_title(way, loc="left", fontsize="medium", fontweight="bold")
        _name_axes(axes, rate, unit)
    _legend(figure, panels[-1], narrow)
    return figure


def as_png(figure: Figure) -> bytes:
    """The figure as a PNG file."""
    return _saved(figure, "png", {"Software": None})


def as_svg(figure: Figure) -> bytes:
    """The figure as an SVG file; text stays text."""
    return _saved(figure, "svg", {"Date": None, "Creator": None})


def dark(svg: bytes) -> bytes:
    """The same plot for dark grounds: an SVG of `as_svg` with other colours."""
    shades = {getattr(LIGHT, n): getattr(DARK, n) for n in ("text", "grid", "background", "muted")}
    for fade in (0.0, _FADED):
        shades |= {_ink(i, LIGHT, fade): _ink(i, DARK, fade) for i in range(len(COLOURS))}
    return re.sub(
        rb"#[0-9a-f]{6}\b",
        lambda found: shades.get(found[0].decode(), found[0].decode()).encode(),
        svg,
    )


def _saved(figure: Figure, kind: str, metadata: dict[str, str | None]) -> bytes:
    import matplotlib

    file = io.BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "ncodec"}):
        figure.savefig(file, format=kind, dpi=DPI, metadata=metadata)
    return file.getvalue()


def _canvas(panels: int, names: int, narrow: bool) -> tuple[Figure, list[Axes]]:
    """An empty figure; on phones panels lie below each other, and so does the list of names."""
    from matplotlib.figure import Figure

    if narrow:
        size, grid = (4.2, 3.3 * panels + 0.3 + 0.19 * names), (panels, 1)
    else:
        size, grid = (9.0, 5.0 if panels == 1 else 4.0), (1, panels)
    figure = Figure(figsize=size, layout="constrained", facecolor=LIGHT.background)
    found = [figure.add_subplot(*grid, i + 1) for i in range(panels)]
    for axes in found:
        axes.set_facecolor(LIGHT.background)
        axes.grid(True, color=LIGHT.grid, linewidth=0.7)
        axes.set_axisbelow(True)
        axes.tick_params(colors=LIGHT.text, which="both", length=3)
        for side, spine in axes.spines.items():
            spine.set_visible(side in ("left", "bottom"))
            spine.set_color(LIGHT.muted)
        for text in (axes.xaxis.label, axes.yaxis.label, axes.title, axes._left_title):  # type: ignore[attr-defined]
            text.set_color(LIGHT.text)
    return figure, found


def _line(
    axes: Axes,
    points: Sequence[Point],
    ink: str,
    marker: str,
    label: str,
    dashes: tuple[int, tuple[float, ...]] | None = None,
) -> None:
    """A curve through points; `dashes` makes it a thin, dashed one."""
    solid = dashes is None
    rates, values = zip(*points, strict=True)
    axes.plot(
        rates,
        values,
        color=ink,
        linestyle="solid" if solid else dashes,
        linewidth=1.9 if solid else 1.2,
        marker=marker,
        markersize=4.5,
        zorder=3 if solid else 2,
        label=_label(label),
    )


def _label(name: str) -> str:
    """A name that no font lacks, of bounded length."""
    text = "".join(c if c.isprintable() else "?" for c in name)
    text = text.encode("ascii", "backslashreplace").decode()
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def _inks(chart: Chart) -> dict[str, str]:
    """Colours by name: a published curve has that of the measured codec of the same name."""
    names = [codec.name for codec in chart.measured]
    others = [curve.name for curve in chart.published if curve.name not in names]
    measured = {name: _ink(i) for i, name in enumerate(names)}
    faded = {name: _ink(i + len(names), fade=_FADED) for i, name in enumerate(others)}
    return measured | faded


def _ink(index: int, look: Look = LIGHT, fade: float = 0.0) -> str:
    """A colour of the list, lighter on dark grounds, and mixed with grey by the share `fade`."""
    from matplotlib.colors import to_hex, to_rgb

    colour, grey = to_rgb(COLOURS[index % len(COLOURS)]), to_rgb(look.muted)
    red, green, blue = (
        (1 - fade) * (c + (1 - c) * look.lighten) + fade * g
        for c, g in zip(colour, grey, strict=True)
    )
    return str(to_hex((red, green, blue)))


def _frame_rates(axes: Axes, points: Sequence[Point]) -> None:
    """Show the rates that were measured: published curves may go further."""
    axes.set_xscale("log")
    rates = [rate for rate, _ in points]
    if rates:
        axes.set_xlim(min(rates) / 1.12, max(rates) * 1.12)
    _plain_ticks(axes.xaxis)


def _frame_values(axes: Axes, points: Sequence[Point]) -> None:
    values = [value for _, value in points]
    if values:
        room = 0.06 * (max(values) - min(values)) or 1.0
        axes.set_ylim(min(values) - room, max(values) + room)


def _frame_speeds(axes: Axes, values: Sequence[float]) -> None:
    axes.set_yscale("log")
    if values:
        axes.set_ylim(min(values) / 1.6, max(values) * 1.6)
    _plain_ticks(axes.yaxis)


def _plain_ticks(axis: Axis) -> None:
    """Ticks at 1, 2, 5 and so on within the limits, written as plain numbers."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    low, high = axis.get_view_interval()
    axis.set_major_locator(FixedLocator([tick for tick in _TICKS if low <= tick <= high]))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _name_axes(axes: Axes, rate: str, label: str) -> None:
    axes.set_xlabel(rate)
    axes.set_ylabel(label)


def _legend(figure: Figure, axes: Axes, narrow: bool) -> None:
    """Beside the plot, or below it on phones."""
    lines = axes.get_lines()
    if not lines:
        return
    labels = [str(line.get_label()) for line in lines]
    legend = figure.legend(
        lines,
        labels,
        frameon=False,
        fontsize="small",
        loc="outside lower left" if narrow else "outside right upper",
    )
    for text in legend.get_texts():
        text.set_color(LIGHT.text)
        text.set_parse_math(False)
