"""Exit codes: what the shell is told, for every error in one table."""

from enum import IntEnum

from ncodec import errors


class Exit(IntEnum):
    """What the command answers; in a batch, the worst of its files.

    A reader of standard output that goes away ends the command quietly with `PIPE`, the code
    that shells use for it.
    """

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    INPUT = 3
    CORRUPT = 4
    UNSUPPORTED = 5
    LIMIT = 6
    DESYNC = 7
    INTERRUPTED = 130
    PIPE = 141


# From "another command line would have worked" to "something is wrong with ncodec".
SEVERITY = (
    Exit.OK,
    Exit.USAGE,
    Exit.INPUT,
    Exit.LIMIT,
    Exit.UNSUPPORTED,
    Exit.CORRUPT,
    Exit.DESYNC,
    Exit.UNEXPECTED,
    Exit.INTERRUPTED,
    Exit.PIPE,
)

# The first class that fits decides.
_CODES: tuple[tuple[type[BaseException], Exit], ...] = (
    (errors.OptionError, Exit.USAGE),
    (errors.InputError, Exit.INPUT),
    (errors.NotNcodecFileError, Exit.INPUT),
    (errors.LimitExceededError, Exit.LIMIT),
    (errors.UnsupportedVersionError, Exit.UNSUPPORTED),
    (errors.UnsupportedFeatureError, Exit.UNSUPPORTED),
    (errors.ModelError, Exit.UNSUPPORTED),
    (errors.EntropyDesyncError, Exit.DESYNC),
    (errors.BitstreamError, Exit.CORRUPT),
    (KeyboardInterrupt, Exit.INTERRUPTED),
    (BrokenPipeError, Exit.PIPE),
)


def exit_code(error: BaseException) -> Exit:
    """The exit code for an error; `UNEXPECTED` also for output that can't be written."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), Exit.UNEXPECTED)


def worst(first: Exit, second: Exit) -> Exit:
    """The more severe of two codes."""
    return max(first, second, key=SEVERITY.index)
