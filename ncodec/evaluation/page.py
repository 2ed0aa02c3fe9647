"""The report as one HTML page that holds everything: it opens from disk and needs no network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from ncodec import __version__
from ncodec.evaluation import page_html as h
from ncodec.evaluation import report_tables
from ncodec.evaluation.page_media import Exhibition, Version
from ncodec.evaluation.plots import Plot, dark
from ncodec.evaluation.report_curves import Chart
from ncodec.evaluation.results import Average, Results, Row

PHONE = "(max-width: 640px)"
NIGHT = "(prefers-color-scheme: dark)"
MEDIA = {"image": "picture", "audio": "sound"}

_COLUMNS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "image": (
        ("bpp", "bits a pixel", ".3f"),
        ("psnr", "PSNR (dB)", ".2f"),
        ("ms_ssim", "MS-SSIM", ".4f"),
        ("ms_ssim_db", "MS-SSIM (dB)", ".2f"),
        ("ssimulacra2", "SSIMULACRA2", ".1f"),
        ("feature_distance", "feature distance", ".3f"),
        ("top1_agreement", "same class", ".1%"),
        ("encode_seconds", "encode (s)", ".3f"),
        ("decode_seconds", "decode (s)", ".3f"),
        ("peak_memory_bytes", "peak memory (MiB)", "MiB"),
    ),
    "audio": (
        ("kbps", "kbit/s", ".2f"),
        ("si_sdr", "SI-SDR (dB)", ".2f"),
        ("log_mel", "log-mel", ".3f"),
        ("stoi", "STOI", ".3f"),
        ("pesq_wb", "PESQ-WB", ".2f"),
        ("visqol", "ViSQOL", ".2f"),
        ("encode_realtime", "encode (x real time)", ".1f"),
        ("decode_realtime", "decode (x real time)", ".1f"),
        ("peak_memory_bytes", "peak memory (MiB)", "MiB"),
    ),
}
"""Columns of the table of averages: key, heading, format."""


def page(
    results: Results,
    charts: Sequence[Chart],
    dataset: str,
    shown: Mapping[str, Exhibition],
    plots: Mapping[str, Plot],
) -> str:
    """The whole page. `dataset` says what published curves were measured on.

    `shown` has an exhibition for each kind of media that there is a chart of, `plots` a plot for
    each metric and one called `speed_` for each kind of media.
    """
    parts = list(_parts(results, charts, dataset, shown, plots))
    style, script = h.static("page.css"), h.static("page.js")
    files = len({row.file for row in results.rows})
    links = [f'<a href="#{identity}">{h.shown(title)}</a>' for identity, title, _ in parts]
    return h.fill(
        "page.html",
        policy=h.policy(style, script),
        version=__version__,
        title=h.shown(f"{results.folder}: codecs compared"),
        lead=h.shown(
            f"{len(results.codecs)} codecs on {files} files, {results.created[:10]}, "
            f"ncodec {results.ncodec}. Sizes are those of whole files."
        ),
        style=style,
        script=script,
        links="\n".join(links),
        sections="\n".join(h.section(*part) for part in parts),
        data=h.data_block({"pictures": _pictures_data(shown.get("image"))}),
    )


def _parts(
    results: Results,
    charts: Sequence[Chart],
    dataset: str,
    shown: Mapping[str, Exhibition],
    plots: Mapping[str, Plot],
) -> Iterator[tuple[str, str, str]]:
    """Identity, title and HTML of each section."""
    yield "curves", "Rate and distortion", _curves(charts, dataset, plots)
    yield "rates", "Rate for the same quality", _rates(charts)
    if "image" in shown:
        yield "pictures", "Pictures side by side", _pictures(shown["image"])
    if "audio" in shown:
        yield "sounds", "Sounds", _sounds(shown["audio"])
    yield "speed", "Speed", _speeds(plots, shown)
    yield "averages", "All averages", _averages(results.averages)
    yield "about", "How it was measured", _about(results, charts)


def _curves(charts: Sequence[Chart], dataset: str, plots: Mapping[str, Plot]) -> str:
    parts = []
    if any(chart.published for chart in charts):
        parts.append(
            f"<p>Dashed curves are published ones, of {h.shown(dataset or 'an unnamed set')}: "
            "they compare only with results on the same files.</p>"
        )
    for chart in charts:
        text = f"{chart.scale.label} over {chart.scale.rate_label}; the tables hold the numbers"
        parts.append(f"<h3>{h.shown(chart.scale.name)}</h3>")
        parts.append(_plot(plots[chart.scale.metric], text))
    return "\n".join(parts)


def _plot(plot: Plot, text: str) -> str:
    """A plot in the variants that screens need; the first media query that fits is shown."""
    variants = {
        f"{NIGHT} and {PHONE}": dark(plot.phone),
        NIGHT: dark(plot.svg),
        PHONE: plot.phone,
        "": plot.svg,
    }
    return h.plot(variants, text)


def _rates(charts: Sequence[Chart]) -> str:
    star = any(chart.published for chart in charts)
    return "\n".join(
        (
            "<p>How much larger (+) or smaller (-) the files of the codec in the column are than "
            "those of the codec in the row; mean of files."
            + (" A star marks published curves, where averaged curves are compared." * star)
            + "</p>",
            *map(_comparisons, charts),
        )
    )


def _comparisons(chart: Chart) -> str:
    title = f"<h3>{h.shown(chart.scale.name)}</h3>"
    if not chart.pairs:
        return f"{title}\n<p>There is nothing to compare.</p>{_notes(chart.notes)}"
    head, *rows = report_tables.matrix(chart)
    details = [report_tables.details(pair, chart.scale.unit) for pair in chart.pairs]
    return (
        title
        + h.table(head, rows, report_tables.heading(chart))
        + "<details><summary>Both averages, both interpolations, and the overlap</summary>"
        + h.table(report_tables.DETAILS, details, f"{chart.scale.name}, details", names=2)
        + "</details>"
        + _notes(chart.notes)
    )


def _notes(notes: Sequence[str]) -> str:
    return "".join(f'<p class="note">{h.shown(note)}</p>' for note in notes)


def _pictures(found: Exhibition) -> str:
    if not found.exhibits:
        return f'<p class="notice">{h.shown(found.note)}</p>' + _notes(found.problems)
    return h.fill("pictures.html", note=h.shown(found.note)) + _notes(found.problems)


def _pictures_data(found: Exhibition | None) -> list[dict[str, object]]:
    """What the script of the page shows."""
    return [
        {
            "name": h.printable(exhibit.name),
            "width": exhibit.width,
            "height": exhibit.height,
            "versions": [_version_data(version) for version in exhibit.versions],
        }
        for exhibit in (found.exhibits if found else ())
    ]


def _version_data(version: Version) -> dict[str, str]:
    return {
        "label": h.printable(version.label),
        "note": version.note,
        "source": h.data_url("image/webp", version.data),
    }


def _sounds(found: Exhibition) -> str:
    parts = [f"<p>{h.shown(found.note)}</p>"] if found.exhibits else []
    if not found.exhibits:
        parts.append(f'<p class="notice">{h.shown(found.note)}</p>')
    for exhibit in found.exhibits:
        cards = "".join(_sound(exhibit.name, version) for version in exhibit.versions)
        parts.append(f'<h3>{h.shown(exhibit.name)}</h3>\n<div class="sounds">{cards}</div>')
    return "\n".join(parts) + _notes(found.problems)


def _sound(name: str, version: Version) -> str:
    words = h.shown(f"{name}, {version.label}")
    return (
        f"<figure><figcaption><strong>{h.shown(version.label)}</strong> {h.shown(version.note)}"
        f'</figcaption><img src="{h.data_url("image/webp", version.spectrogram)}" '
        f'alt="Spectrogram of {words}"><audio controls preload="metadata" aria-label="{words}" '
        f'src="{h.data_url("audio/flac", version.data)}"></audio></figure>\n'
    )


def _speeds(plots: Mapping[str, Plot], kinds: Iterable[str]) -> str:
    parts = (_speed(plots[f"speed_{kind}"], kind) for kind in kinds)
    return "\n".join(("<p>More is faster. Loading of models is not counted.</p>", *parts))


def _speed(plot: Plot, media: str) -> str:
    return _plot(plot, f"speed over rate, {MEDIA[media]}s; the table of averages holds the seconds")


def _averages(averages: Sequence[Average]) -> str:
    parts = []
    for media in MEDIA:
        rows = [average for average in averages if average.media == media]
        if rows:
            parts.append(_average_table(rows, media))
    return "<p>Means over files.</p>" + "\n".join(parts)


def _average_table(averages: Sequence[Average], media: str) -> str:
    columns = [
        column
        for column in _COLUMNS[media]
        if any(average.metrics.get(column[0]) is not None for average in averages)
    ]
    rows = [
        [
            a.codec,
            f"{a.quality:g}",
            str(a.files),
            *(_cell(a.metrics.get(k), f) for k, _, f in columns),
        ]
        for a in averages
    ]
    head = ["codec", "quality", "files", *(title for _, title, _ in columns)]
    table = h.table(head, rows, f"averages, {MEDIA[media]}s")
    return f"<details><summary>{len(rows)} rows of {MEDIA[media]}s</summary>{table}</details>"


def _cell(value: float | None, form: str) -> str:
    if value is None:
        return report_tables.NOTHING
    return f"{value / 2**20:.0f}" if form == "MiB" else format(value, form)


def _about(results: Results, charts: Sequence[Chart]) -> str:
    failed = [row for row in results.rows if row.error is not None]
    parts = [h.facts(_facts(results))]
    rows = [
        [name, note.kind, note.model or note.version or report_tables.NOTHING, note.settings]
        for name, note in results.codecs.items()
    ]
    parts.append("<h3>Codecs</h3>")
    parts.append(h.table(("codec", "through", "version or model", "settings"), rows, "codecs", 4))
    if failed:
        parts.append(f"<h3>What failed</h3>{_failures(failed)}")
    parts.append(f"<h3>Methods</h3>{''.join(f'<p>{h.shown(line)}</p>' for line in METHODS)}")
    return "\n".join(parts)


METHODS = (
    "A rate counts the whole coded file. Metrics are averaged over files as they are, in dB where "
    "they are in dB.",
    "The rate for the same quality is the Bjontegaard delta rate: the logarithm of the rate is "
    "interpolated over quality by PCHIP (Akima's splines beside it) and averaged over the "
    "qualities that both curves have; 'over' names these and their share of the range that either "
    "has. Points no better than a cheaper one of the same curve are left out.",
    "'Mean of files' averages the rates of single files; 'averaged curves' compares the averages "
    "over the files that both codecs coded at each of their qualities.",
)


def _facts(results: Results) -> Mapping[str, str]:
    machine = results.machine
    return {
        "Folder": results.folder,
        "Measured": results.created,
        "ncodec": results.ncodec,
        "Processor": f"{machine.processor}, {machine.cores} cores, {machine.threads} threads",
        "Networks on": machine.device,
        "Memory": f"{machine.memory_gib:.0f} GiB",
        "System": f"{machine.system}, Python {machine.python}",
        "Packages": ", ".join(f"{name} {version}" for name, version in results.versions.items()),
    }


def _failures(rows: Sequence[Row]) -> str:
    """One line a file and codec: the qualities fail alike."""
    seen = {(row.file, row.codec): row.error or "" for row in rows}
    cells = [[file, codec, error] for (file, codec), error in seen.items()]
    return h.table(("file", "codec", "error"), cells, "failures", names=3)
