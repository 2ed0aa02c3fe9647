"""The report of a result: plots as PNG and SVG, and one page, written into a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import BinaryIO

from ncodec.errors import InputError, OptionError
from ncodec.evaluation.page_media import Exhibition
from ncodec.evaluation.plots import Plot
from ncodec.evaluation.report_curves import Chart, charts
from ncodec.evaluation.report_reference import Reference, read_reference
from ncodec.evaluation.results import Results
from ncodec.files import make_folder, write_atomic

PAGE = "report.html"
SUFFIXES = (".png", ".svg")
BUDGET = 1_600_000
"""Bytes of pictures and sounds; as text a third more, which leaves room for plots below 3 MB."""
NO_MEDIA = {
    "image": "This page has no pictures: --media FOLDER names the folder of those evaluated.",
    "audio": "This page has no sounds: --media FOLDER names the folder of those evaluated.",
}


@dataclass(frozen=True)
class Report:
    """What was written and found.

    `files` has all files, the page first; `dataset` says what published curves were measured on.
    """

    source: Path
    files: tuple[Path, ...]
    charts: tuple[Chart, ...]
    notes: tuple[str, ...]
    dataset: str = ""

    @property
    def page(self) -> Path:
        """The HTML page."""
        return self.files[0]


@dataclass(frozen=True)
class Media:
    """What the page shows of the files that were evaluated.

    `folder` is where they are (None: nothing is shown), `names` those to show (else some of each
    kind). Pictures are coded anew as near as can be to `bpp` bits a pixel, sounds to `kbps` kbit/s;
    networks run on `device`.
    """

    folder: Path | None = None
    names: Sequence[str] = ()
    bpp: float = 0.25
    kbps: float = 6.0
    device: str = "auto"

    def __post_init__(self) -> None:
        """Refuse a folder that is not there and sizes that make no sense."""
        if self.folder is not None and not self.folder.is_dir():
            raise InputError(f"{self.folder}: no such folder of pictures or sounds")
        for name, target in (("bpp", self.bpp), ("kbps", self.kbps)):
            if not 0 < target < float("inf"):
                raise OptionError(f"{name} {target:g}: must be a positive number")


def report(
    source: str | Path,
    *,
    output: str | Path | None = None,
    reference: str | Path | None = None,
    published: Sequence[str] = (),
    media: Media | None = None,
    overwrite: bool = False,
) -> Report:
    """Write the plots and the page of a `results.json` (or the folder of one).

    They go into `output`, else beside the result. `published` names curves of the file `reference`
    (the usual ones by default). Raises `InputError` or `UnsupportedVersionError` for a result that
    can't be used, `OptionError` for files that exist already (unless `overwrite`).
    """
    results = Results.read(source)
    found = read_reference(Path(reference), published) if reference is not None else Reference()
    try:
        drawn = charts(results, found.curves)
    except InputError as error:
        raise InputError(f"{source}: {error}") from error
    beside = Path(source) if Path(source).is_dir() else Path(source).parent
    folder = beside if output is None else Path(output)
    paths = [folder / name for name in file_names(drawn)]
    _check_free(paths, overwrite)
    shown = _exhibitions(results, drawn, media or Media())
    plots = _plots(results, drawn)
    page = _page(results, drawn, found, shown, plots)
    _write(paths, [page, *(file for p in plots.values() for file in (p.png, p.svg))], overwrite)
    notes = [note for chart in drawn for note in chart.notes]
    notes += [problem for exhibition in shown.values() for problem in exhibition.problems]
    return Report(Path(source), tuple(paths), tuple(drawn), tuple(notes), found.dataset)


def file_names(drawn: Sequence[Chart]) -> list[str]:
    """What a report writes, the page first."""
    media = dict.fromkeys(chart.scale.media for chart in drawn)
    stems = [chart.scale.metric for chart in drawn] + [f"speed_{kind}" for kind in media]
    return [PAGE, *(stem + suffix for stem in stems for suffix in SUFFIXES)]


def _check_free(paths: Sequence[Path], overwrite: bool) -> None:
    existing = [path for path in paths if path.exists()]
    if existing and not overwrite:
        raise OptionError(
            f"{existing[0]}: exists already; -f (overwrite=True) replaces the whole report"
        )


def _exhibitions(results: Results, drawn: Sequence[Chart], media: Media) -> dict[str, Exhibition]:
    """What the page shows of each kind of media that the result has."""
    kinds = dict.fromkeys(chart.scale.media for chart in drawn)
    chosen = {kind: [n for n in media.names if _kind_of(results, n) == kind] for kind in kinds}
    return {kind: _exhibition(results, kind, chosen[kind], media, len(kinds)) for kind in kinds}


def _exhibition(
    results: Results, kind: str, names: Sequence[str], media: Media, kinds: int
) -> Exhibition:
    if media.folder is None or (media.names and not names):
        return Exhibition(note=NO_MEDIA[kind])
    from ncodec.evaluation import page_pictures, page_sounds
    from ncodec.evaluation.subjects import open_subject

    opened = cache(partial(open_subject, device=media.device))
    if kind == "image":
        exhibit, size = page_pictures.exhibit, media.bpp
    else:
        exhibit, size = page_sounds.exhibit, media.kbps
    return exhibit(results, media.folder, names, size, opened, BUDGET // kinds)


def _kind_of(results: Results, name: str) -> str:
    """ "image" or "audio". `OptionError` for a file that the result does not have."""
    for row in results.rows:
        if row.file == name and row.error is None and row.media is not None:
            return row.media
    raise OptionError(f"{name}: no such file in the result")


def _page(
    results: Results,
    drawn: Sequence[Chart],
    found: Reference,
    shown: Mapping[str, Exhibition],
    plots: Mapping[str, Plot],
) -> bytes:
    from ncodec.evaluation.page import page

    return page(results, drawn, found.dataset, shown, plots).encode()


def _plots(results: Results, drawn: Sequence[Chart]) -> dict[str, Plot]:
    """The plots by their names, in the order of `file_names`."""
    from ncodec.evaluation import plots as p

    made = {c.scale.metric: p.plot(partial(p.rate_distortion, c)) for c in drawn}
    for kind in dict.fromkeys(chart.scale.media for chart in drawn):
        made[f"speed_{kind}"] = p.plot(partial(p.speed, p.speeds(results.rows, kind), kind))
    return made


def _write(paths: Sequence[Path], files: Sequence[bytes], overwrite: bool) -> None:
    make_folder(paths[0].parent)
    for path, data in zip(paths, files, strict=True):
        write_atomic(path, partial(_fill, data), overwrite=overwrite)


def _fill(data: bytes, file: BinaryIO) -> None:
    file.write(data)
