"""What reading and writing sound files share: libsndfile's errors, and files it can't break."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import soundfile

from ncodec.errors import NcodecError


class Guarded:
    """A binary file for libsndfile that remembers the first error of its callbacks.

    An exception can't pass through C: it would be printed, and the caller told of no more than a
    short read.
    """

    def __init__(self, file: BinaryIO) -> None:
        """Wrap `file`, which stays open."""
        self._file = file
        self.error: Exception | None = None

    def read(self, count: int = -1, /) -> bytes:
        """Bytes from the current position, none after an error."""
        try:
            return self._file.read(count) or b""
        except Exception as error:
            self.error = self.error or error
            return b""

    def write(self, data: bytes, /) -> int:
        """The number of bytes written, 0 after an error."""
        try:
            return self._file.write(data)
        except Exception as error:
            self.error = self.error or error
            return 0

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move, as a file does."""
        try:
            return self._file.seek(offset, whence)
        except Exception as error:
            self.error = self.error or error
            return 0

    def tell(self) -> int:
        """The current position."""
        try:
            return self._file.tell()
        except Exception as error:
            self.error = self.error or error
            return 0


@contextmanager
def sound_errors(guarded: Guarded, message: str, kind: type[NcodecError]) -> Iterator[None]:
    """Turn what libsndfile and the file below it raise into `kind`."""
    try:
        yield
    # soundfile asserts that as much was written as it was given.
    except (soundfile.SoundFileError, AssertionError, TypeError, ValueError) as error:
        cause = guarded.error or error
        raise kind(f"{message}: {_said(cause)}") from cause
    if guarded.error is not None:
        raise kind(f"{message}: {_said(guarded.error)}") from guarded.error


def _said(error: Exception) -> str:
    if isinstance(error, soundfile.LibsndfileError):
        return str(error.error_string).removeprefix("Error : ").rstrip(".")
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
