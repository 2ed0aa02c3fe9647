"""Keeping C libraries from writing to standard error behind Python's back."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_STDERR = 2


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Send what the process writes to file 2 nowhere while the block runs.

    For libraries that print remarks there (libmpg123, LiteRT): a terminal with a progress bar, and
    whoever reads one line an error, can do without.
    """
    if sys.stderr is None:
        yield
        return
    sys.stderr.flush()
    kept = os.dup(_STDERR)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, _STDERR)
        yield
    finally:
        os.dup2(kept, _STDERR)
        os.close(kept)
        os.close(nowhere)
