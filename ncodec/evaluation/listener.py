"""Who is told how an evaluation goes. Imports nothing heavy."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from ncodec.errors import NcodecError, NcodecWarning

if TYPE_CHECKING:
    from ncodec.evaluation.results import Row


class Listener:
    """Is told how an evaluation goes; this one turns what goes wrong into `NcodecWarning`s."""

    def progress(self, done: int, total: int, name: str) -> None:
        """So many of all rows are done; `name` is what is next."""

    def problem(self, name: str, error: Exception) -> None:
        """A file or a codec failed; the others go on."""
        text = said_of(error)
        self.warning(text if text.startswith(name) else f"{name}: {text}")

    def warning(self, text: str) -> None:
        """Something was not done quite as asked."""
        warnings.warn(text, NcodecWarning, stacklevel=2)

    def row(self, row: Row) -> None:
        """A row was measured (rows that were there already are not told)."""


def said_of(error: BaseException) -> str:
    """The error in one line, for a row."""
    if isinstance(error, NcodecError):
        return str(error)
    return " ".join(f"{type(error).__name__}: {error}".split())
