"""Neural media codecs as real software: one file format, one API, weights included.

import ncodec
blob = ncodec.encode(image, quality=60)
image = ncodec.decode(blob)
blob = ncodec.encode((samples, sample_rate), kbps=3)
"""

from importlib import import_module
from typing import TYPE_CHECKING

from ncodec import errors

if TYPE_CHECKING:
    from ncodec.api import (
        AudioInfo,
        Codec,
        CodecInfo,
        ImageInfo,
        Info,
        decode,
        encode,
        list_codecs,
        load_codec,
        read_info,
        trim,
    )
    from ncodec.container import Limits
    from ncodec.media import Audio, Image, Metadata

__version__ = "0.1.0"

__all__ = [
    "Audio",
    "AudioInfo",
    "Codec",
    "CodecInfo",
    "Image",
    "ImageInfo",
    "Info",
    "Limits",
    "Metadata",
    "__version__",
    "decode",
    "encode",
    "errors",
    "list_codecs",
    "load_codec",
    "read_info",
    "trim",
]

_HOMES = {
    "Limits": "ncodec.container",
    "Audio": "ncodec.media",
    "Image": "ncodec.media",
    "Metadata": "ncodec.media",
}

if not TYPE_CHECKING:  # Type checkers must not believe that every name exists.

    def __getattr__(name: str) -> object:
        """Import a public name when it is first used: the command line must start quickly."""
        if name not in __all__:
            raise AttributeError(f"module 'ncodec' has no attribute {name!r}")
        value = getattr(import_module(_HOMES.get(name, "ncodec.api")), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
