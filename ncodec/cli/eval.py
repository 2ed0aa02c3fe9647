"""`ncodec eval`: rates, metrics and times of codecs on a folder of pictures and sounds."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ncodec.cli import options
from ncodec.cli.common import verb
from ncodec.cli.exits import Exit, worst
from ncodec.cli.screen import Bar, Screen
from ncodec.errors import InputError, OptionError
from ncodec.evaluation.listener import Listener

if TYPE_CHECKING:
    from ncodec.evaluation.results import Average, Row
_COLUMNS = {
    "image": {"bpp": 4, "psnr": 2, "ms_ssim_db": 2, "ssimulacra2": 1, "feature_distance": 3,
              "encode_seconds": 3, "decode_seconds": 3},
    "audio": {"kbps": 2, "si_sdr": 2, "log_mel": 2, "stoi": 3, "pesq_wb": 2, "visqol": 2,
              "encode_realtime": 1, "decode_realtime": 1},
}  # fmt: skip
"""What is shown of averages, and with how many digits."""


@verb
def evaluate(
    folder: Annotated[str, typer.Argument(metavar="FOLDER", help="Pictures, sounds, or both.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="REPORT", help="Folder for the results.")
    ],
    codec: Annotated[
        list[str] | None,
        typer.Option("--codec", "-c", metavar="NAME", help="Codec or baseline [all there are]."),
    ] = None,
    qualities: Annotated[
        list[str] | None,
        typer.Option("--qualities", metavar="Q,Q,...", help="For all, or as jpeg=10,30 for one."),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option("--labels", metavar="CSV", help="Lines file,ImageNet class: top-1 accuracy."),
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option("--without", metavar="METRIC", help="Leave out a slow metric: visqol, ..."),
    ] = None,
    device: options.DeviceOption = options.Device.AUTO,
    threads: options.Threads = None,
    force: Annotated[
        bool, typer.Option("--force", "-f", help="Start anew where there are results.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a row on stdout.")] = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Exit:
    """Measure codecs on a folder: bytes on disk, metrics, seconds, memory.

    Codecs are those of `ncodec codecs`; baselines are jpeg, webp, avif, jxl, opus, mp3 and
    vorbis, and avif-scaled: smaller pictures at the bytes of vqgan. The same command goes on
    with results that are there already.
    """
    if output.exists() and not output.is_dir():
        raise OptionError(f"{output}: is a file; name a folder for the results")
    wanted = _qualities(qualities or [], codec)
    classes = _labels(labels)
    screen = Screen(quiet, verbose, json)
    from ncodec.evaluation.runner import evaluate as run

    with screen.progress() as bar:
        teller = _Teller(screen, bar)
        results = run(
            folder,
            codec,
            qualities=wanted,
            output=output,
            device=device.value,
            threads=threads,
            labels=classes,
            left_out=without or (),
            skip=() if labels is None else (labels,),
            overwrite=force,
            listener=teller,
        )
    if not json:
        print("\n".join(_table(results.averages)))
    screen.summary(f"{output}: {len(results.rows)} rows, {teller.measured} of them measured now")
    return teller.code


class _Teller(Listener):
    """Passes on how an evaluation goes, and keeps the exit code."""

    def __init__(self, screen: Screen, bar: Bar) -> None:
        self._screen, self._bar = screen, bar
        self.code, self.measured = Exit.OK, 0

    def progress(self, done: int, total: int, name: str) -> None:
        """Move the bar."""
        self._bar.at(done, total, name)

    def problem(self, name: str, error: Exception) -> None:
        """One line, and the worst code counts."""
        self.code = worst(self.code, self._screen.error(name, error))

    def warning(self, text: str) -> None:
        """One line."""
        self._screen.warning("", text)

    def row(self, row: "Row") -> None:
        """One JSON object, if JSON is asked for."""
        self.measured += 1
        self._screen.result(**row.as_dict())


def _qualities(given: Sequence[str], codecs: Sequence[str] | None) -> dict[str, list[float]] | None:
    """Read "10,30" (for every codec that is named) and "jpeg=10,30", which counts more."""
    whole: dict[str, list[float]] = {}
    for text in sorted(given, key=lambda text: "=" in text):
        name, equals, values = text.rpartition("=")
        names = [name] if equals else codecs
        if not names:
            raise OptionError(f"qualities {text!r}: name codecs with -c, or write jpeg={text}")
        whole |= {name: _numbers(values) for name in names}
    return whole or None


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise OptionError(f"qualities {text!r}: write numbers as 10,30,50") from error


def _labels(path: Path | None) -> dict[str, int] | None:
    if path is None:
        return None
    from ncodec.evaluation.scores import read_labels

    try:
        return read_labels(path.read_text("utf-8-sig"), str(path))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a text in UTF-8") from error


def _table(averages: Sequence["Average"]) -> Iterator[str]:
    """Means of each codec and quality, one line each, under the names of the columns."""
    for media, columns in _COLUMNS.items():
        rows = [average for average in averages if average.media == media]
        if rows:
            names = "".join(f"{name:>17}" for name in columns)
            yield f"{'codec':<12}{'quality':>8}{'files':>7}{names}"
        for row in rows:
            values = "".join(f"{_number(row.metrics[n], d):>17}" for n, d in columns.items())
            yield f"{row.codec:<12}{row.quality:>8g}{row.files:>7}{values}"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
