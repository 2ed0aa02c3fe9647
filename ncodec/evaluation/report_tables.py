"""The comparisons as text and as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ncodec.evaluation.bjontegaard import Comparison
from ncodec.evaluation.report_curves import Chart, Pair

DETAILS = (
    "codec", "against", "mean of files", "(Akima)", "averaged curves", "(Akima)", "over", "files",
)  # fmt: skip
NOTHING = "-"


def percent(value: float | None) -> str:
    """A rate with its sign, or a dash."""
    return NOTHING if value is None else f"{value:+.1f} %"


def best_of(found: Comparison | None) -> float | None:
    """For a small table: the mean of files, or of the averaged curves where there are no files."""
    if found is None:
        return None
    return found.averaged_curves if found.mean_of_files is None else found.mean_of_files


def matrix(chart: Chart) -> list[list[str]]:
    """Rates of each measured codec (columns) against all codecs (rows); the first row is names.

    The names of published codecs end in a star.
    """
    pairs = {(p.codec, p.against, p.published): best_of(p.comparison) for p in chart.pairs}
    names = [codec.name for codec in chart.measured]
    others = [(name, False) for name in names] + [(p.name, True) for p in chart.published]
    table = [["against", *names]]
    for name, published in others:
        cells = [percent(pairs.get((codec, name, published))) for codec in names]
        table.append([f"{name}*" if published else name, *cells])
    return table


def details(pair: Pair, unit: str) -> list[str]:
    """The columns `DETAILS` of a pair that could be compared."""
    found = pair.comparison
    name = f"{pair.against}*" if pair.published else pair.against
    if found is None:
        return [pair.codec, name, *[NOTHING] * 6]
    low, high = found.overlap
    return [
        pair.codec,
        name,
        percent(found.mean_of_files),
        percent(found.mean_of_files_akima),
        percent(found.averaged_curves),
        percent(found.averaged_curves_akima),
        f"{low:.4g} to {high:.4g} {unit}".rstrip() + f" ({100 * found.overlap_share:.0f} %)",
        f"{found.compared} of {found.files}" if found.files else NOTHING,
    ]


def text(charts: Sequence[Chart], dataset: str = "") -> str:
    """Everything for a terminal; `dataset` says what published curves were measured on."""
    lines = [line for chart in charts for line in _chart_text(chart)]
    if any(chart.published for chart in charts):
        of = f"{dataset}: " if dataset else ""
        lines += [
            f"* published, {of}compare only results on the same files; averaged curves, of which",
            "  the page and --json say more",
            "",
        ]
    return "\n".join(lines)


def heading(chart: Chart) -> str:
    """What a table shows, in a line."""
    counts = sorted({len(codec.complete) for codec in chart.measured})
    files = "1 file" if counts == [1] else f"{' or '.join(map(str, counts))} files"
    return f"{chart.scale.name}: rate of each codec for the same quality, {files}; - is smaller"


def _chart_text(chart: Chart) -> list[str]:
    lines = [heading(chart), "", *aligned(matrix(chart))]
    rows = [details(pair, chart.scale.unit) for pair in chart.pairs if not pair.published]
    if rows:
        lines += ["", *aligned([list(DETAILS), *rows], left=2)]
    return [*lines, ""]


def aligned(table: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """Lines of columns; the first `left` ones start, the others end below one another."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]


def as_data(charts: Sequence[Chart]) -> list[dict[str, Any]]:
    """One dictionary a comparison; rates are null where `problem` says why."""
    return [_pair_data(chart, pair) for chart in charts for pair in chart.pairs]


def _pair_data(chart: Chart, pair: Pair) -> dict[str, Any]:
    head = {
        "media": chart.scale.media,
        "metric": chart.scale.metric,
        "codec": pair.codec,
        "against": pair.against,
        "published": pair.published,
    }
    if pair.comparison is None:
        return {**head, "problem": pair.problem}
    return {**head, **asdict(pair.comparison)}
