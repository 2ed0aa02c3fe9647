"""Results of an evaluation: rows, averages, and the files they are kept in.

`results.json` keeps everything; `results.csv` has one line a row. Imports no torch and no numpy.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from ncodec.errors import InputError, UnsupportedVersionError
from ncodec.files import make_folder, write_atomic

FORMAT = "ncodec-eval"
VERSION = 1
JSON_NAME = "results.json"
CSV_NAME = "results.csv"

CEILING_DB = 100.0
"""What decibels of equal signals are cut to: JSON has no infinity."""

IMAGE_METRICS = (
    "bytes", "payload_bytes", "bpp", "psnr", "ms_ssim", "ms_ssim_db", "ssimulacra2",
    "feature_distance", "top1_agreement", "top1_accuracy", "top1_accuracy_original",
    "encode_seconds", "decode_seconds", "peak_memory_bytes",
)  # fmt: skip
"""Columns of a picture's row that are averaged."""
AUDIO_METRICS = (
    "bytes", "payload_bytes", "kbps", "si_sdr", "log_mel", "stoi", "pesq_wb", "visqol",
    "encode_seconds", "decode_seconds", "encode_realtime", "decode_realtime", "peak_memory_bytes",
)  # fmt: skip
"""Columns of a sound's row that are averaged."""
METRICS = {"image": IMAGE_METRICS, "audio": AUDIO_METRICS}

_COMMON = ("codec", "media", "quality", "file", "source", "error")
_SHAPES = {"image": ("width", "height", "pixels"), "audio": ("sample_rate", "channels", "seconds")}

T = TypeVar("T")


@dataclass(frozen=True)
class Row:
    """One file through one codec at one quality; what does not apply or failed is None.

    `media` is "image", "audio", or None for a file that is neither; `error` is None where all went
    well. `quality` is the codec's own knob (kbit/s asked for, with sound). `source` is the start of
    the SHA-256 of the file that was coded. `bytes` counts the whole coded file, `payload_bytes` the
    entropy-coded part alone (where that can be told apart, else the whole file). Metrics are those
    of `ncodec.evaluation.metrics`, `perceptual` and `audio_metrics`; the `top1_` ones are 0.0 or
    1.0 here.
    `encode_seconds` and `decode_seconds` do not count the loading of models, and each follows on
    one more call of the same, as in a batch; `encode_realtime` is seconds of sound a second.
    `peak_memory_bytes` is how far the process grew at most, either way.
    """

    codec: str
    quality: float
    file: str
    media: str | None = None
    source: str | None = None
    error: str | None = None
    width: int | None = None
    height: int | None = None
    pixels: int | None = None
    sample_rate: int | None = None
    channels: int | None = None
    seconds: float | None = None
    bytes: int | None = None
    payload_bytes: int | None = None
    bpp: float | None = None
    psnr: float | None = None
    ms_ssim: float | None = None
    ms_ssim_db: float | None = None
    ssimulacra2: float | None = None
    feature_distance: float | None = None
    top1_agreement: float | None = None
    top1_accuracy: float | None = None
    top1_accuracy_original: float | None = None
    kbps: float | None = None
    si_sdr: float | None = None
    log_mel: float | None = None
    stoi: float | None = None
    pesq_wb: float | None = None
    visqol: float | None = None
    encode_seconds: float | None = None
    decode_seconds: float | None = None
    encode_realtime: float | None = None
    decode_realtime: float | None = None
    peak_memory_bytes: int | None = None

    @property
    def key(self) -> tuple[str, float, str]:
        """What there is at most one row of: codec, quality, file."""
        return self.codec, self.quality, self.file

    def as_dict(self) -> dict[str, Any]:
        """The columns that apply to its kind of media, in a fixed order."""
        names = (*_COMMON, *_SHAPES.get(self.media or "", ()), *METRICS.get(self.media or "", ()))
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Average:
    """Plain means over the files of one codec and quality that succeeded.

    `metrics` has the keys of `METRICS[media]`; a file that lacks a metric does not count in its
    mean, which is None where all files lack it. `files` counts rows without error.
    """

    codec: str
    media: str
    quality: float
    files: int
    metrics: dict[str, float | None]

    def as_dict(self) -> dict[str, Any]:
        """A flat dictionary, as it stands in the file."""
        head = {"codec": self.codec, "media": self.media, "quality": self.quality}
        return {**head, "files": self.files, **self.metrics}


@dataclass(frozen=True)
class CodecNote:
    """What a codec was: `kind` is "ncodec", "pillow", "libsndfile" or "pyav"."""

    kind: str
    media: str
    settings: str
    version: str | None = None
    model: str | None = None


@dataclass(frozen=True)
class Machine:
    """Where it was measured; `device` is "cpu" or "cuda", `threads` those of torch."""

    processor: str
    cores: int
    memory_gib: float
    system: str
    python: str
    device: str
    threads: int


@dataclass
class Results:
    """All rows of an evaluation and how they came about.

    `created` is UTC in ISO 8601, `folder` the name of the folder of files, `versions` those of the
    packages that had a part in it.
    """

    created: str
    ncodec: str
    machine: Machine
    folder: str
    versions: dict[str, str] = field(default_factory=dict)
    codecs: dict[str, CodecNote] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)

    @property
    def averages(self) -> list[Average]:
        """Means for each codec and quality, in the order of the rows."""
        groups: dict[tuple[str, str, float], list[Row]] = {}
        for row in self.rows:
            if row.error is None and row.media is not None:
                groups.setdefault((row.codec, row.media, row.quality), []).append(row)
        return [_average(*key, rows) for key, rows in groups.items()]

    def curve(self, codec: str, rate: str = "bpp", metric: str = "psnr") -> list[list[float]]:
        """Points [rate, metric] of a codec's averages, by rising rate."""
        points = [
            [a.metrics[rate], a.metrics[metric]]
            for a in self.averages
            if a.codec == codec and rate in a.metrics and metric in a.metrics
        ]
        whole = [[x, y] for x, y in points if x is not None and y is not None]
        return sorted(whole)

    def as_dict(self) -> dict[str, Any]:
        """The object that stands in `results.json`.

        `name`, `description` and `results` are what CompressAI's plots read; a file has room for
        one curve there, which is that of the first picture codec.
        """
        whole: dict[str, Any] = {"format": FORMAT, "version": VERSION}
        whole |= {"created": self.created, "ncodec": self.ncodec, "machine": asdict(self.machine)}
        whole |= {"versions": self.versions, "folder": self.folder}
        whole |= {"codecs": {name: asdict(note) for name, note in self.codecs.items()}}
        first = next((n for n, note in self.codecs.items() if note.media == "image"), None)
        if first is not None:
            whole |= compressai_curve(self, first)
        whole |= {"averages": [average.as_dict() for average in self.averages]}
        return {**whole, "rows": [row.as_dict() for row in self.rows]}

    def write(self, folder: str | Path) -> None:
        """Replace `results.json` and `results.csv` in a folder. `OutputError` if that fails."""
        text = json.dumps(self.as_dict(), indent=1, allow_nan=False) + "\n"
        _replace(Path(folder, JSON_NAME), text)
        _replace(Path(folder, CSV_NAME), table(self.rows))

    @classmethod
    def read(cls, path: str | Path) -> Results:
        """Read a `results.json`, or the one of a folder.

        Raises `InputError` for a file that can't be read or is none of these, and
        `UnsupportedVersionError` for one of another version.
        """
        file = Path(path, JSON_NAME) if Path(path).is_dir() else Path(path)
        whole = _parsed(file)
        try:
            return cls(
                created=_value(whole, "created", str),
                ncodec=_value(whole, "ncodec", str),
                machine=_record(Machine, whole.get("machine")),
                folder=_value(whole, "folder", str),
                versions={str(k): str(v) for k, v in _value(whole, "versions", dict).items()},
                codecs={
                    str(name): _record(CodecNote, note)
                    for name, note in _value(whole, "codecs", dict).items()
                },
                rows=[_row(i, row) for i, row in enumerate(_value(whole, "rows", list))],
            )
        except ValueError as error:
            raise InputError(f"{file}: not a result of `ncodec eval` ({error})") from error


def compressai_curve(results: Results, codec: str) -> dict[str, Any]:
    """A codec's averages with the keys that CompressAI's plot tool reads, by rising rate.

    `results` maps "bpp", "psnr-rgb", "ms-ssim-rgb" (plain, not dB), "encoding_time" and
    "decoding_time" (seconds) to lists of equal length.
    """
    names = {
        "bpp": "bpp", "psnr-rgb": "psnr", "ms-ssim-rgb": "ms_ssim",
        "encoding_time": "encode_seconds", "decoding_time": "decode_seconds",
    }  # fmt: skip
    points = [average.metrics for average in results.averages if average.codec == codec]
    points = [p for p in points if p.get("bpp") is not None]
    points.sort(key=lambda point: point["bpp"] or 0.0)
    note = results.codecs[codec]
    description = f"{note.kind}, {note.settings}; whole files of {results.folder}"
    columns = {theirs: [point[ours] for point in points] for theirs, ours in names.items()}
    complete = {name: column for name, column in columns.items() if None not in column}
    return {"name": codec, "description": description, "results": complete}


def export_compressai(results: Results, folder: str | Path) -> list[Path]:
    """Write one JSON for each picture codec into a folder, for `compressai.utils.plot -f`.

    `InputError` for a codec whose name is no name of a file, `OutputError` if writing fails.
    """
    if wrong := [name for name in results.codecs if Path(name).name != name]:
        raise InputError(f"codec {wrong[0]!r}: not the name of a file")
    place = Path(folder)
    make_folder(place)
    written = []
    for name, note in results.codecs.items():
        if note.media == "image":
            path = place / f"{name}.json"
            _replace(path, json.dumps(compressai_curve(results, name), indent=1) + "\n")
            written.append(path)
    return written


def table(rows: Iterable[Row]) -> str:
    """All rows as CSV with a line of names; empty where a column does not apply."""
    text = io.StringIO()
    names = [column.name for column in fields(Row)]
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: getattr(row, name) for name in names} for row in rows)
    return text.getvalue()


def _average(codec: str, media: str, quality: float, rows: list[Row]) -> Average:
    metrics = {name: _mean([getattr(row, name) for row in rows]) for name in METRICS[media]}
    return Average(codec, media, quality, len(rows), metrics)


def _mean(values: list[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return math.fsum(there) / len(there) if there else None


def _replace(path: Path, text: str) -> None:
    data = text.encode("utf-8", "backslashreplace")
    write_atomic(path, lambda file: file.write(data), overwrite=True)


def _parsed(file: Path) -> dict[str, Any]:
    """The JSON object of a file, of our format and version."""
    try:
        whole = json.loads(file.read_bytes(), parse_constant=_no_number)
    except OSError as error:
        raise InputError(f"{file}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file}: not JSON ({error})") from error
    if not isinstance(whole, dict) or whole.get("format") != FORMAT:
        raise InputError(f"{file}: not a result of `ncodec eval`")
    if whole.get("version") != VERSION:
        raise UnsupportedVersionError(
            f"{file}: results of version {whole.get('version')!r:.20}, and this ncodec reads"
            f" version {VERSION}; evaluate again, or use the ncodec that wrote it"
        )
    return whole


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number")


def _value(mapping: Mapping[str, Any], name: str, kind: type[T]) -> T:
    value = mapping.get(name)
    if not isinstance(value, kind):
        raise ValueError(f"{name} is {'missing' if value is None else 'of the wrong kind'}")
    return value


def _row(index: int, data: object) -> Row:
    try:
        row = _record(Row, data)
        if row.media is not None and row.media not in METRICS:
            raise ValueError(f"media {row.media!r:.20} is neither image nor audio")
    except ValueError as error:
        raise ValueError(f"row {index + 1}: {error}") from error
    return row


def _record(kind: type[T], data: object) -> T:
    """A dataclass from a JSON object: fields by name, other names are left out."""
    if not isinstance(data, dict):
        raise ValueError(f"{kind.__name__.lower()} is missing")
    known = {column.name: str(column.type) for column in fields(kind)}  # type: ignore[arg-type]
    values = {name: _checked(name, data[name], known[name]) for name in known if name in data}
    try:
        return kind(**values)
    except TypeError as error:
        missing = [name for name in known if name not in data]
        raise ValueError(f"one of {', '.join(missing)} is missing") from error


def _checked(name: str, value: object, annotation: str) -> object:
    """`value`, if it is what the annotation says; whole numbers do for floats."""
    kind, _, optional = annotation.partition(" | ")
    if value is None and optional == "None":
        return value
    wanted = {"str": str, "int": int, "float": (int, float)}[kind]
    if not isinstance(value, wanted) or isinstance(value, bool):  # type: ignore[arg-type]
        raise ValueError(f"{name} is of the wrong kind")
    return value
