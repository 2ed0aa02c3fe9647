"""From the rows of a result to curves, and every codec against every other."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations

from ncodec.errors import InputError
from ncodec.evaluation.bjontegaard import Comparison, Curve, compare, curve
from ncodec.evaluation.results import Results, Row

Point = tuple[float, float]
"""A rate and a quality, the latter in the metric's own unit."""


@dataclass(frozen=True)
class Scale:
    """A metric over a rate: what a plot shows and a table compares.

    `metric` and `rate` are columns of a `Row`; `rising` is false where less is better.
    """

    media: str
    metric: str
    name: str
    unit: str
    rate: str
    rate_label: str
    rising: bool = True

    @property
    def label(self) -> str:
        """For an axis: the name, the unit, and the direction where it is not the usual one."""
        unit = f" ({self.unit})" if self.unit else ""
        return f"{self.name}{unit}" + ("" if self.rising else ", less is better")

    def quality(self, value: float) -> float:
        """The metric turned such that more is better, and back."""
        return value if self.rising else -value


LITTLE = 0.2
"""Share of the range of two curves below which their comparison is doubtful."""

_BPP, _KBPS = ("bpp", "bits a pixel (whole file)"), ("kbps", "kbit/s (whole file)")
SCALES = (
    Scale("image", "psnr", "PSNR", "dB", *_BPP),
    Scale("image", "ms_ssim_db", "MS-SSIM", "dB", *_BPP),
    Scale("image", "ssimulacra2", "SSIMULACRA2", "", *_BPP),
    Scale("image", "feature_distance", "Feature distance", "", *_BPP, rising=False),
    Scale("audio", "si_sdr", "SI-SDR", "dB", *_KBPS),
    Scale("audio", "log_mel", "Log-mel distance", "", *_KBPS, rising=False),
    Scale("audio", "stoi", "STOI", "", *_KBPS),
    Scale("audio", "pesq_wb", "PESQ-WB", "MOS", *_KBPS),
    Scale("audio", "visqol", "ViSQOL", "MOS", *_KBPS),
)


@dataclass(frozen=True)
class Published:
    """A curve that others published: points of averages, by rising rate, in the metric's unit."""

    name: str
    points: tuple[Point, ...]


@dataclass
class Measured:
    """A codec's points on one scale: quality knob -> file -> point."""

    name: str
    points: dict[float, dict[str, Point]] = field(default_factory=dict)

    @property
    def files(self) -> list[str]:
        """All files that have a point."""
        return list(dict.fromkeys(file for points in self.points.values() for file in points))

    @property
    def complete(self) -> list[str]:
        """Files that have a point at every quality: those that averages count."""
        return [f for f in self.files if all(f in points for points in self.points.values())]

    def of_file(self, file: str) -> list[Point]:
        """The points of one file."""
        return [points[file] for points in self.points.values() if file in points]

    def average(self, files: Sequence[str]) -> list[Point]:
        """Means over `files` (each in `complete`) of rates and metrics, by rising rate."""
        if not files:
            return []
        return sorted(
            (_mean([points[f][0] for f in files]), _mean([points[f][1] for f in files]))
            for points in self.points.values()
        )


@dataclass(frozen=True)
class Pair:
    """One codec against another on one scale; `comparison` is None where `problem` says why."""

    codec: str
    against: str
    published: bool
    comparison: Comparison | None
    problem: str = ""


@dataclass(frozen=True)
class Chart:
    """All that there is on one scale."""

    scale: Scale
    measured: tuple[Measured, ...]
    published: tuple[Published, ...]
    pairs: tuple[Pair, ...]
    notes: tuple[str, ...]

    def averages(self) -> dict[str, list[Point]]:
        """The averaged curve of each measured codec."""
        return {codec.name: codec.average(codec.complete) for codec in self.measured}


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def usable_rows(results: Results) -> list[Row]:
    """Rows without error. `InputError` if there is none."""
    if not results.rows:
        raise InputError("the result holds no rows; run `ncodec eval` first")
    rows = [row for row in results.rows if row.error is None and row.media is not None]
    if not rows:
        raise InputError(f"all {len(results.rows)} rows failed: {results.rows[0].error}")
    return rows


def charts(results: Results, reference: Mapping[str, Sequence[Published]]) -> list[Chart]:
    """A chart for every scale that the rows have; `reference` maps metrics to published curves."""
    rows = usable_rows(results)
    found = []
    for scale in SCALES:
        measured = _measured(rows, scale)
        if measured:
            found.append(_chart(scale, measured, reference.get(scale.metric, ())))
    if not found:
        raise InputError("the rows have no rate and metric to draw")
    return found


def _measured(rows: Sequence[Row], scale: Scale) -> list[Measured]:
    codecs: dict[str, Measured] = {}
    for row in rows:
        point = _point(row, scale)
        if point is not None:
            codec = codecs.setdefault(row.codec, Measured(row.codec))
            codec.points.setdefault(row.quality, {})[row.file] = point
    return list(codecs.values())


def _point(row: Row, scale: Scale) -> Point | None:
    if row.media != scale.media:
        return None
    rate, value = getattr(row, scale.rate), getattr(row, scale.metric)
    if rate is None or value is None or not (0 < rate < math.inf and math.isfinite(value)):
        return None
    return float(rate), float(value)


def _chart(scale: Scale, measured: list[Measured], published: Sequence[Published]) -> Chart:
    notes = list(_gaps(scale, measured))
    whole = []
    for codec in measured:
        try:
            _curve(scale, codec.average(codec.complete))
            whole.append(codec)
        except InputError as error:
            notes.append(f"{codec.name}: not compared by {scale.name}: {error}")
    pairs = [*_pairs(scale, whole), *_against_published(scale, whole, published)]
    notes += [
        f"{pair.codec} against {pair.against}: {said}"
        for pair in pairs
        if (pair.published or pair.codec < pair.against) and (said := _doubt(scale, pair))
    ]
    return Chart(scale, tuple(measured), tuple(published), tuple(pairs), tuple(notes))


def _doubt(scale: Scale, pair: Pair) -> str:
    """Why there is no rate, or why it says little."""
    if pair.comparison is None:
        return f"not compared by {scale.name}: {pair.problem}"
    share = pair.comparison.overlap_share
    if share >= LITTLE:
        return ""
    return f"the curves share only {100 * share:.0f} % of their range of {scale.name}"


def _gaps(scale: Scale, measured: list[Measured]) -> Iterator[str]:
    for codec in measured:
        lacking = len(codec.files) - len(codec.complete)
        if lacking:
            yield (
                f"{codec.name}: {lacking} of {len(codec.files)} files lack {scale.name} at a"
                " quality and are left out of averages"
            )


def _curve(scale: Scale, points: Sequence[Point]) -> Curve:
    return curve((rate, scale.quality(value)) for rate, value in points)


def _pairs(scale: Scale, measured: Sequence[Measured]) -> Iterator[Pair]:
    for ours, theirs in permutations(measured, 2):
        yield _pair(scale, ours, theirs)


def _pair(scale: Scale, ours: Measured, theirs: Measured) -> Pair:
    common = [file for file in ours.complete if file in set(theirs.complete)]
    try:
        if not common:
            raise InputError("no file in common")
        first, second = (_curve(scale, codec.average(common)) for codec in (ours, theirs))
        files = dict(_file_curves(scale, ours, theirs, common))
        found = compare(first, second, files, count=len(common))
        return Pair(ours.name, theirs.name, False, _in_unit(scale, found))
    except InputError as error:
        return Pair(ours.name, theirs.name, False, None, str(error))


def _file_curves(
    scale: Scale, ours: Measured, theirs: Measured, files: Sequence[str]
) -> Iterator[tuple[str, tuple[Curve, Curve]]]:
    """The curves of the files for which both codecs have one."""
    for file in files:
        try:
            yield file, (_curve(scale, ours.of_file(file)), _curve(scale, theirs.of_file(file)))
        except InputError:
            continue  # `Comparison.compared` says how many were left.


def _against_published(
    scale: Scale, measured: Sequence[Measured], published: Sequence[Published]
) -> Iterator[Pair]:
    for codec in measured:
        for other in published:
            try:
                theirs = _curve(scale, other.points)
                found = compare(_curve(scale, codec.average(codec.complete)), theirs)
                yield Pair(codec.name, other.name, True, _in_unit(scale, found))
            except InputError as error:
                yield Pair(codec.name, other.name, True, None, str(error))


def _in_unit(scale: Scale, found: Comparison) -> Comparison:
    """The overlap in the metric's own unit."""
    if scale.rising:
        return found
    low, high = found.overlap
    return Comparison(**{**vars(found), "overlap": (-high, -low)})
