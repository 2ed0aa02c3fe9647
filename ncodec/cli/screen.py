"""What is said and where: data and JSON on stdout, everything else on stderr."""

import json
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ncodec.cli.exits import Exit, exit_code
from ncodec.errors import NcodecError

if TYPE_CHECKING:
    from rich.progress import Progress


class Screen:
    """Messages of one command.

    `quiet` leaves only errors, `verbose` adds tracebacks, `json` prints one object a file on
    stdout instead of summaries.
    """

    def __init__(self, quiet: bool = False, verbose: bool = False, json: bool = False) -> None:
        """Nothing is printed yet."""
        self.quiet, self.verbose, self.json = quiet, verbose, json
        self._progress: Progress | None = None

    def summary(self, text: str) -> None:
        """What was done, a line on stderr."""
        if not (self.quiet or self.json):
            self._say(text)

    def warning(self, name: str, text: str) -> None:
        """What was not done quite as asked."""
        if not self.quiet:
            self._say(f"warning: {_prefixed(name, text)}")

    def problem(self, name: str, text: str) -> None:
        """An error that no exception carries."""
        self._say(f"error: {_prefixed(name, text)}")

    def error(self, name: str, error: BaseException) -> Exit:
        """Say what went wrong in one line; returns its exit code."""
        if self.verbose:
            self._say("".join(traceback.format_exception(error)).rstrip())
        self.problem(name, message_of(error))
        return exit_code(error)

    def result(self, **fields: object) -> None:
        """One JSON object on stdout, if JSON is asked for."""
        if self.json:
            print(json.dumps(fields), flush=True)

    @contextmanager
    def progress(self) -> Iterator["Bar"]:
        """A progress bar on stderr while the block runs, if stderr is a terminal."""
        if self.quiet or not sys.stderr.isatty():
            yield Bar(None)
            return
        from rich.console import Console
        from rich.progress import Progress

        with Progress(console=Console(stderr=True), transient=True) as self._progress:
            try:
                yield Bar(self._progress)
            finally:
                self._progress.stop()
                self._progress = None

    def _say(self, text: str) -> None:
        lines = "\n".join(printable(line) for line in text.split("\n"))
        if self._progress is None:
            print(lines, file=sys.stderr, flush=True)
        else:
            self._progress.console.print(lines, markup=False, highlight=False, soft_wrap=True)


class Bar:
    """One bar over all files; a file that is underway counts by the share of its tiles."""

    def __init__(self, progress: "Progress | None") -> None:
        """Draw on `progress`, or nowhere."""
        self._progress = progress
        self._task = progress.add_task("", total=None) if progress else None

    def at(self, done: float, total: int, name: str) -> None:
        """Show `done` of `total` files, `name` being the current one."""
        if self._progress is not None and self._task is not None:
            from rich.markup import escape

            self._progress.update(
                self._task, completed=done, total=total, description=escape(printable(name))
            )


def message_of(error: BaseException) -> str:
    """The error in one line; says so if it is not one that ncodec foresees."""
    if isinstance(error, NcodecError):
        return str(error)
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, OSError) and error.strerror:  # A full disk is no bug to report.
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return f"unexpected error {' '.join(said.split())}; please report it (-v shows where)"


def printable(text: str) -> str:
    """Escape control characters: names and messages may come from hostile files."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _prefixed(name: str, text: str) -> str:
    return text if not name or text.startswith(name) else f"{name}: {text}"
