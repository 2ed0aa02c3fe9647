"""What a page holds of pictures and sounds: files in memory, with their captions."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Version:
    """One way in which a picture or sound is shown: the original, or a codec's.

    `note` says how large it was coded and how good it is. `data` is a WebP picture, or a FLAC
    sound; `spectrogram` a WebP picture, with sounds.
    """

    label: str
    note: str
    data: bytes
    spectrogram: bytes = b""


@dataclass(frozen=True)
class Exhibit:
    """A picture or sound in all its versions, the original first; sizes in pixels."""

    name: str
    versions: tuple[Version, ...]
    width: int = 0
    height: int = 0


@dataclass(frozen=True)
class Exhibition:
    """What is shown of one kind of media, and a sentence on how."""

    exhibits: tuple[Exhibit, ...] = ()
    note: str = ""
    problems: tuple[str, ...] = field(default=())

    @property
    def size(self) -> int:
        """Bytes of all data."""
        return sum(
            len(version.data) + len(version.spectrogram)
            for exhibit in self.exhibits
            for version in exhibit.versions
        )
