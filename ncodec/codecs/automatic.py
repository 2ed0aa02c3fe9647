"""Which codec encodes where none is named: by medium, target and rate. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from ncodec.codecs import registry
from ncodec.codecs.base import Target
from ncodec.codecs.registry import CodecEntry
from ncodec.errors import OptionError

if TYPE_CHECKING:
    from ncodec.media import Media

T = TypeVar("T")

AUTO = "auto"
"""What users call it; no codec's name does the same."""


@dataclass(frozen=True)
class Ladder:
    """Two codecs of a medium, each for its rates: `low` up to `rate`, and `high` above it.

    `rate` is in bits a pixel, or kbit/s a channel; `narrow` stands in its place for sounds of at
    most `NARROW` samples a second.
    """

    low: str
    high: str
    rate: float
    narrow: float | None = None

    def rate_for(self, media: Media) -> float:
        """The rate up to which a picture or sound goes to `low`."""
        sample_rate = getattr(media, "sample_rate", None)
        few = sample_rate is not None and sample_rate <= NARROW
        return self.narrow if few and self.narrow is not None else self.rate


NARROW = 16_000
"""Up to this sample rate `grvq` loses nothing but what it codes badly."""
LADDERS = {
    "hyperprior": Ladder("vqgan", "hyperprior", 0.05),
    "grvq": Ladder("grvq", "walloc", 6.0, narrow=18.0),
}
"""By the codec that is a medium's usual one. `hyperprior` is better than `vqgan` at all rates that
it reaches (`benchmarks/extreme_rates.py`: from 0.09 bits a pixel, the median of Kodak); below this
one it reaches hardly any. Of sounds it is the highest rate of `grvq`; where nothing lies above the
8 kHz at which that ends, `walloc` needs three times as much to be better (test speech, STOI: `grvq`
.956 at 5.4 kbit/s; `walloc` .937 at 14, .960 at 20)."""
REACH = 4
"""Above so many times that rate the codec for high rates is alone: where it fails, metadata are
what is too large, and the other codec's picture would be a bad surprise."""
DROPPER = "vqgan"
"""The codec that can leave words out."""


def codec_named(name: str | None) -> str | None:
    """The codec that is named, None where ncodec chooses."""
    return None if name == AUTO else name


def choices(media: Media, target: Target, name: str | None) -> list[CodecEntry]:
    """The codecs to try in turn: `name` alone, if it is not None or "auto".

    Without a target in bytes it is the usual codec. Else the one for the rate, and after one for
    high rates, unless far above, that for low rates, in case the target is below its range; those
    without weights are left out. `OptionError` for a name, medium or target that does not fit.
    """
    from ncodec.media import medium

    kind = medium(media)
    named = codec_named(name) or (DROPPER if target.drop else None)
    usual = registry.entry_for(kind, named)
    target.check_for(usual.name, kind)
    ladder, rate = LADDERS.get(usual.name), rate_of(media, target)
    if named or ladder is None or rate is None:
        return [usual]
    names = [ladder.low] if rate <= ladder.rate_for(media) else [ladder.high, ladder.low]
    if rate > REACH * ladder.rate_for(media):
        return [registry.entry_for(kind, ladder.high)]
    rows = [registry.entry_for(kind, each) for each in names if each in registry.entries()]
    return [row for row in rows if next(registry.models_of(row), None)] or [usual]


def first(entries: Sequence[CodecEntry], attempt: Callable[[CodecEntry], T]) -> T:
    """What the first codec makes whose range reaches the target; the last one's error if none."""
    for entry in entries[:-1]:
        with suppress(OptionError):
            return attempt(entry)
    return attempt(entries[-1])


def rate_of(media: Media, target: Target) -> float | None:
    """Bits a pixel or kbit/s a channel that a target in bytes comes to; None for other targets."""
    from ncodec.media import Image

    if target.kind == "bpp":
        return target.value
    if target.kind == "kbps" and not isinstance(media, Image):
        return target.value / media.channels
    if target.kind != "size":
        return None
    bits = 8 * target.value
    if isinstance(media, Image):
        return bits / (media.width * media.height)
    values = media.samples * media.channels
    return bits / 1000 * media.sample_rate / values if values else None
