"""Giving memory back to the system between the tiles of a large picture."""

import ctypes
import sys


def release_freed() -> None:
    """Let the C library return what was freed, where it can (glibc).

    Activations of many sizes leave holes that it would keep: half a gigabyte by the end of a
    picture of 100 megapixels, just when writing the picture needs its own copy.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
