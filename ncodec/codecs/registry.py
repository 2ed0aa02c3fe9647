"""Which codecs there are. Imports no codec and no torch until one is asked for."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from ncodec.codecs.base import PLURALS, AudioCodec, CodecLoader, ImageCodec, Trimmer
from ncodec.container import AudioHeader, Header, ImageHeader
from ncodec.errors import (
    CorruptFileError,
    ModelMismatchError,
    ModelNotFoundError,
    OptionError,
    UnsafeWeightsError,
    UnsupportedFeatureError,
)

WEIGHTS = Path(__file__).parent.parent / "models" / "weights"
ENTRY_POINTS = "ncodec.codecs"
MAX_HEADER = 1 << 20


@dataclass(frozen=True)
class RateFacts:
    """What a picture's rate means, for `ImageInfo`."""

    quality: float
    codebook: int | None
    words: int
    left_out: int


@dataclass(frozen=True)
class CodecEntry:
    """A row of the registry.

    `number` stands in files and is never reused; numbers below 128 are ncodec's own. `media` is
    "image" or "audio"; `target` and `trim` are "module:name" of the codec class and of a
    `Trimmer`, if the codec has one. `weights` lists weights files, oldest first: files are
    decoded with the one whose model id they name, the last one encodes. A codec that is for both
    media has a second row in `also`, of the same name and number. `facts` is "module:name" of a
    function that tells what a rate means, where that is not an eighth of a unit of quality;
    `strips`: metadata are left out unless they are asked for.
    """

    name: str
    number: int
    media: str
    target: str
    weights: tuple[Path, ...]
    summary: str
    trim: str | None = None
    also: "CodecEntry | None" = None
    facts: str | None = None
    strips: bool = False

    @property
    def rows(self) -> tuple["CodecEntry", ...]:
        """A row for each medium."""
        return (replace(self, also=None), *(self.also.rows if self.also else ()))

    def row(self, media: str) -> "CodecEntry | None":
        """The row for a medium, None if the codec is not for it."""
        return next((row for row in self.rows if row.media == media), None)


DEFAULTS = {"image": "hyperprior", "audio": "grvq"}
"""The codec that encodes a medium when none is named."""
BUILT_IN = {
    "hyperprior": CodecEntry(
        "hyperprior",
        1,
        "image",
        "ncodec.codecs.hyperprior:HyperpriorCodec",
        (WEIGHTS / "hyperprior.safetensors",),
        "variable-rate mean-scale hyperprior, 0.1 to 2 bpp",
    ),
    "grvq": CodecEntry(
        "grvq",
        2,
        "audio",
        "ncodec.codecs.grvq:GrvqCodec",
        (WEIGHTS / "grvq.safetensors",),
        "group-residual vector quantisation of speech and sound, 0.5 to 6 kbit/s",
        trim="ncodec.codecs.grvq_trim:trim",
    ),
    "walloc": CodecEntry(
        "walloc",
        3,
        "image",
        "ncodec.codecs.walloc:WallocPictures",
        (WEIGHTS / "walloc_image.safetensors",),
        "wavelet packets and a linear encoder: encodes fast, 0.1 to 2 bpp",
        also=CodecEntry(
            "walloc",
            3,
            "audio",
            "ncodec.codecs.walloc_sound:WallocSounds",
            (WEIGHTS / "walloc_audio.safetensors",),
            "the same for stereo at 44.1 kHz, 24 to 128 kbit/s",
        ),
    ),
    "vqgan": CodecEntry(
        "vqgan",
        4,
        "image",
        "ncodec.codecs.vqgan:VqganCodec",
        (WEIGHTS / "vqgan.safetensors",),
        "words for blocks of 16x16 pixels: extreme rates, 0.006 to 0.03 bpp",
        trim="ncodec.codecs.vqgan_trim:trim",
        facts="ncodec.codecs.vqgan_rate:facts",
        strips=True,
    ),
}


@cache
def entries() -> dict[str, CodecEntry]:
    """All codecs by name: the built-in ones, and `CodecEntry` objects of other packages.

    Other packages register theirs under the entry-point group `ncodec.codecs`; a name or number
    that is taken already is a `OptionError`.
    """
    found = dict(BUILT_IN)
    for point in entry_points(group=ENTRY_POINTS):
        entry = point.load()
        taken = {row.number for row in found.values()}
        if not isinstance(entry, CodecEntry) or entry.name in found or entry.number in taken:
            raise OptionError(f"entry point {point.value}: not a new CodecEntry")
        found[entry.name] = entry
    return found


def rows() -> list[CodecEntry]:
    """A row for each codec and medium."""
    return [row for entry in entries().values() for row in entry.rows]


def entry_by_name(name: str) -> CodecEntry:
    """The codec called `name`, or an `OptionError` that lists the names there are."""
    if name not in entries():
        raise OptionError(f"no codec {name!r}; there are: {', '.join(sorted(entries()))}")
    return entries()[name]


def entry_by_number(number: int) -> CodecEntry:
    """The codec that files call `number`, or an `UnsupportedFeatureError`."""
    for entry in entries().values():
        if entry.number == number:
            return entry
    raise UnsupportedFeatureError(f"codec number {number} is not known; a newer ncodec may be")


def entry_for(media: str, name: str | None) -> CodecEntry:
    """The codec to encode "image" or "audio" with: `name`, or the default one.

    OptionError where there is none, or the one named is for another medium.
    """
    entry = entry_by_name(name) if name is not None else _default_for(media)
    row = entry.row(media)
    if row is None:
        raise OptionError(f"codec {entry.name} is for {PLURALS[entry.media]}, not {PLURALS[media]}")
    return row


def _default_for(media: str) -> CodecEntry:
    name = DEFAULTS[media]
    if name in entries():
        return entries()[name]
    others = [entry.name for entry in entries().values() if entry.row(media)]
    hint = f"name another one: {', '.join(sorted(others))}" if others else "install another one"
    raise OptionError(
        f"{PLURALS[media]} are encoded with codec {name}, which is not installed; {hint}"
    )


def entry_of(header: Header) -> CodecEntry:
    """The codec that a file names. CorruptFileError if it codes another medium than the file's."""
    entry = entry_by_number(header.codec)
    media = "audio" if isinstance(header.media, AudioHeader) else "image"
    row = entry.row(media)
    if row is None:
        raise CorruptFileError(
            f"the file says {media}, its codec {entry.name} is for {PLURALS[entry.media]};"
            " get it again"
        )
    return row


@cache
def model_id(weights: Path) -> bytes:
    """The full model id (32 bytes) that a weights file states. Reads its header only."""
    if not weights.is_file():
        raise ModelNotFoundError(f"{weights}: no such weights file; reinstall the package")
    # A safetensors file starts with the length of a JSON header. Reading that alone spares the
    # command line the import of numpy.
    try:
        with weights.open("rb") as file:
            length = min(int.from_bytes(file.read(8), "little"), MAX_HEADER)
            identity = bytes.fromhex(json.loads(file.read(length))["__metadata__"]["model_id"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UnsafeWeightsError(f"{weights}: not a safetensors weights file ({error})") from error
    if len(identity) != 32:
        raise UnsafeWeightsError(f"{weights}: states no model id")
    return identity


def models_of(entry: CodecEntry) -> Iterator[tuple[Path, bytes]]:
    """Weights files that are there, with their model ids, newest first."""
    for path in reversed(entry.weights):
        if path.is_file():
            yield path, model_id(path)


def weights_for(entry: CodecEntry, short_id: bytes | None) -> Path:
    """The newest weights file, or the one whose model id starts with `short_id`."""
    models = list(models_of(entry))
    if not models:
        raise ModelNotFoundError(f"{entry.name}: no weights file; reinstall the package")
    for path, identity in models:
        if short_id is None or identity.startswith(short_id):
            return path
    raise ModelMismatchError(
        f"made with {entry.name} model {short_id.hex() if short_id else ''}, which this version"
        f" does not have (it has {', '.join(i.hex()[:8] for _, i in models)});"
        " use the ncodec version that wrote the file"
    )


@cache
def load(entry: CodecEntry, weights: Path, device: str) -> ImageCodec | AudioCodec:
    """The codec with these weights on `device` ("cpu" or "cuda"), loaded once a process.

    It is an `ImageCodec` or an `AudioCodec` as `entry.media` says.
    """
    loader: CodecLoader = _named(entry.target)
    return loader(weights, device)


def trimmer(entry: CodecEntry) -> Trimmer:
    """What cuts files of this codec to a lower rate; OptionError if nothing does."""
    if entry.trim is None:
        raise OptionError(f"files of codec {entry.name} can't be trimmed; encode again instead")
    found: Trimmer = _named(entry.trim)
    return found


def facts_of(entry: CodecEntry, media: ImageHeader, short_id: bytes) -> RateFacts | None:
    """What `entry.facts` says of a picture; None for a codec without it."""
    if entry.facts is None:
        return None
    weights = (path for path, identity in models_of(entry) if identity.startswith(short_id))
    found: RateFacts = _named(entry.facts)(media, next(weights, None))
    return found


def _named(target: str) -> Any:  # noqa: ANN401
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)
