"""The command line. Importing it imports no torch: help, info and usage errors answer at once."""

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated, TextIO

import typer

from ncodec import __version__
from ncodec.cli.codecs import codecs
from ncodec.cli.decode import decode
from ncodec.cli.doctor import doctor
from ncodec.cli.encode import encode
from ncodec.cli.eval import evaluate
from ncodec.cli.info import info
from ncodec.cli.report import report
from ncodec.cli.test import check
from ncodec.cli.train import train
from ncodec.cli.trim import trim

__all__ = ["app", "main"]

_EXAMPLES = """\b
Examples:
  ncodec encode photo.png -q 60        writes photo.ncd
  ncodec decode photo.ncd -o copy.png
"""

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=_EXAMPLES,
)
app.command("encode")(encode)
app.command("decode")(decode)
app.command("info")(info)
app.command("test")(check)
app.command("trim")(trim)
app.command("codecs")(codecs)
app.command("eval")(evaluate)
app.command("report")(report)
app.command("train")(train)
app.command("doctor")(doctor)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"ncodec {__version__}")
        raise typer.Exit


@app.callback()
def _ncodec(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Neural codecs for pictures and sounds."""


def _terminate(number: int, frame: FrameType | None) -> None:
    """Leave as if by an error, so that half-written files are removed."""
    sys.exit(128 + number)


def _nowhere() -> TextIO:
    """Stands in for a standard stream that the caller has closed."""
    return Path(os.devnull).open("w")


def main() -> None:
    """Run the command line; ends the process with one of the exit codes of `ncodec.cli.exits`."""
    signal.signal(signal.SIGTERM, _terminate)
    sys.stdout = sys.stdout or _nowhere()
    sys.stderr = sys.stderr or _nowhere()
    app(prog_name="ncodec")
