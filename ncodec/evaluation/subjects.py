"""What can be evaluated: ncodec's codecs, those of other packages, and classical baselines."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import ncodec
from ncodec.api import Codec, choose_device
from ncodec.codecs import registry
from ncodec.codecs.base import Target
from ncodec.errors import OptionError
from ncodec.evaluation import baselines
from ncodec.evaluation.results import CodecNote
from ncodec.media import Audio, Image

PICTURE_QUALITIES: tuple[float, ...] = (0, 4, 8, 14, 20, 28, 36, 44, 52, 60, 70, 80, 88)
"""About 0.1 to 1.6 bits a pixel of photographs with `hyperprior`."""
EXTREME_QUALITIES: tuple[float, ...] = (0, 25, 50, 75, 100)
"""Of `vqgan`, whose range is narrow."""
EXTREME, DOWNSCALED = "vqgan", "avif-scaled"
"""The codec for extreme rates, and what it is compared with at equal bytes."""
SOUND_QUALITIES: dict[str, tuple[float, ...]] = {
    "grvq": (1.5, 3, 6),
    "walloc": (24, 32, 48, 64, 96, 128),
}
"""kbit/s."""


class Subject(Protocol):
    """A codec under test, ready to use; `qualities` are its default ones.

    `encode` and `decode` take and give an `Image` (uint8 [H, W] or [H, W, 3]) or an `Audio`, as
    `note.media` says.
    """

    @property
    def name(self) -> str:
        """What rows call it."""
        ...

    @property
    def note(self) -> CodecNote:
        """What results say of it."""
        ...

    @property
    def qualities(self) -> tuple[float, ...]:
        """Where its curve is measured unless other qualities are asked for."""
        ...

    def encode(self, media: Any, quality: float) -> bytes:  # noqa: ANN401 - Image or Audio
        """The bytes of a whole file."""
        ...

    def decode(self, data: bytes) -> Any:  # noqa: ANN401 - Image or Audio
        """What the file holds."""
        ...

    def payload(self, data: bytes) -> int:
        """How many bytes of the file are entropy-coded samples."""
        ...


class NcodecCodec:
    """A codec of the registry: for pictures its quality is 0..100, for sounds kbit/s."""

    def __init__(self, name: str, entry: registry.CodecEntry, device: str) -> None:
        self.name = name
        self._codec = Codec(entry, choose_device(device))
        self.note = _note(entry)

    @property
    def qualities(self) -> tuple[float, ...]:
        """See `Subject`."""
        if self.note.media == "image":
            return EXTREME_QUALITIES if self._codec.name == EXTREME else PICTURE_QUALITIES
        return SOUND_QUALITIES.get(self._codec.name, SOUND_QUALITIES["grvq"])

    def encode(self, media: Image | Audio, quality: float) -> bytes:
        """See `Subject`."""
        if self.note.media == "image":
            target = Target.from_options(quality=quality)
        else:
            target = Target.from_options(kbps=quality)
        return self._codec.compress(media, target).data

    def decode(self, data: bytes) -> Image | Audio:
        """See `Subject`."""
        return self._codec.decode(data)

    def payload(self, data: bytes) -> int:
        """See `Subject`."""
        return ncodec.read_info(data).payload


def _note(entry: registry.CodecEntry) -> CodecNote:
    newest = next(registry.models_of(entry), None)
    model = newest[1].hex()[:8] if newest else None
    settings = "quality 0 to 100" if entry.media == "image" else "kbit/s asked for"
    return CodecNote("ncodec", entry.media, settings, ncodec.__version__, model)


def _ours() -> dict[str, registry.CodecEntry]:
    """The registry's codecs; the second medium of one for both stands behind its name."""
    return {
        entry.name if number == 0 else f"{entry.name}-{row.media}": row
        for entry in registry.entries().values()
        for number, row in enumerate(entry.rows)
    }


def media_of() -> dict[str, str]:
    """The names of all codecs that can be evaluated, with "image" or "audio"."""
    ours = {name: row.media for name, row in _ours().items()}
    others = {**baselines.NAMES, DOWNSCALED: "image"}
    return {**ours, **{name: m for name, m in others.items() if name not in ours}}


def check_names(names: Iterable[str]) -> list[str]:
    """Each name once, in order. `OptionError` for one that no codec has."""
    known = media_of()
    unique = list(dict.fromkeys(names))
    for name in unique:
        if name not in known:
            raise OptionError(f"no codec {name!r}; there are: {', '.join(known)}")
    return unique


def open_subject(name: str, device: str = "auto", threads: int | None = None) -> Subject:
    """A codec by its name, with its model loaded.

    `OptionError` for an unknown name or one that is not installed, `ModelError` for weights that
    are not there.
    """
    check_names([name])
    entry = _ours().get(name)
    if entry is not None:
        return NcodecCodec(name, entry, device)
    if name == DOWNSCALED:
        from ncodec.evaluation.downscaled import DownscaledAvif

        reference = open_subject(EXTREME, device, threads)
        return DownscaledAvif(reference, baselines.open_pillow("avif", threads))
    if baselines.NAMES[name] == "image":
        return baselines.open_pillow(name, threads)
    return baselines.open_sndfile(name)
