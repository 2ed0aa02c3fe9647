"""The public functions: encode, decode, trim, read_info, load_codec, list_codecs.

Importing this module imports no torch and no media libraries; the first call that needs them
does, since the command line must answer at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ncodec.codecs import automatic, registry
from ncodec.codecs.base import Encoded, Region, Span, Target
from ncodec.container import Limits, Reader
from ncodec.errors import OptionError
from ncodec.info import AudioInfo, ImageInfo, Info, info_of
from ncodec.loaded import Codec, decoded, warn
from ncodec.opening import Source, choose_device, open_codec, open_source

if TYPE_CHECKING:
    from ncodec.media import Audio, Image, Media

__all__ = [
    "AudioInfo",
    "Codec",
    "CodecInfo",
    "ImageInfo",
    "Info",
    "Source",
    "choose_device",
    "decode",
    "encode",
    "list_codecs",
    "load_codec",
    "open_codec",
    "open_source",
    "read_info",
    "trim",
]


@dataclass(frozen=True)
class CodecInfo:
    """One row of `list_codecs`."""

    name: str
    number: int
    media: str
    summary: str
    model_id: str | None
    weights_bytes: int


def list_codecs() -> list[CodecInfo]:
    """All codecs, with the id and size of the weights that they encode with."""
    rows = []
    for entry in registry.rows():
        newest = next(registry.models_of(entry), None)
        identity = newest[1].hex()[:8] if newest else None
        size = newest[0].stat().st_size if newest else 0
        rows.append(CodecInfo(entry.name, entry.number, entry.media, entry.summary, identity, size))
    return rows


def read_info(source: Source, *, limits: Limits | None = None) -> ImageInfo | AudioInfo:
    """Read a file's header. Raises `BitstreamError` if it is not valid; never loads torch."""
    with open_source(source) as opened:
        return info_of(Reader(opened, limits))


def trim(
    source: Source,
    *,
    kbps: float | None = None,
    size: int | None = None,
    bpp: float | None = None,
    limits: Limits | None = None,
) -> bytes:
    """Cut a file to a lower rate, without the networks that show what is in it.

    One of `size` (bytes), `bpp` (bits a pixel) and `kbps` (kilobits a second) is the ceiling.
    Raises `BitstreamError`, and `OptionError` for a rate that can't be, or files of a codec that
    can't be trimmed.
    """
    if kbps is None and size is None and bpp is None:
        raise OptionError("give size, bpp (pictures) or kbps (sounds): what to trim to")
    target = Target.from_options(bpp=bpp, size=size, kbps=kbps)
    with open_source(source) as opened:
        reader = Reader(opened, limits)
        entry = registry.entry_of(reader.header)
        cut = registry.trimmer(entry)
        target.check_for(entry.name, entry.media)
        return cut(reader, target)


def load_codec(name: str = "hyperprior", device: str = "auto") -> Codec:
    """Load a codec for repeated use. `OptionError` for an unknown name or device."""
    return Codec(registry.entry_by_name(name), choose_device(device))


def encode(
    media: object,
    *,
    codec: str | None = None,
    quality: float | None = None,
    bpp: float | None = None,
    size: int | None = None,
    psnr: float | None = None,
    kbps: float | None = None,
    drop: int = 0,
    strip: bool | None = None,
    verify: bool = False,
    device: str = "auto",
) -> bytes:
    """Encode a picture or a sound to the bytes of a whole `.ncd` file.

    A picture is an `Image`, a Pillow image, an array uint8 [H, W] or [H, W, C], or a tensor
    [C, H, W], uint8 or float in 0..1; C is 1 to 4 (grey, grey and alpha, RGB, RGBA). A sound is
    an `Audio` or a pair (samples, sample rate): an array or tensor [T] or [T, C], float with full
    scale +-1 or integers, C is 1 to 8. Either may be a path. Without `codec` (or with "auto")
    pictures go to "hyperprior" and sounds to "grvq"; with `bpp`, `size` or `kbps` to "vqgan" and
    "walloc" where these are better at that rate.

    At most one of `quality` (0..100, 50 if nothing is given), `size` (bytes, a ceiling), `bpp`
    (bits a pixel), `psnr` (dB over RGB) and `kbps` (1000 bits a second, a ceiling) may be given;
    bpp, size and kbps count the whole file. `drop` is how many percent of its words (0..50)
    "vqgan" may leave out for the decoder to guess, where that makes the file smaller; without
    `codec` it chooses "vqgan". `strip` leaves EXIF and ICC out and brings colours to sRGB (None:
    "vqgan" does, others keep them); `verify` decodes the symbols again. What cannot be kept is
    said in `NcodecWarning`s. Raises `InputError`, `OptionError`, `ModelError`.
    """
    from ncodec.media import open_media, unkept

    target = Target.from_options(quality, bpp, size, psnr, kbps, drop)
    with open_media(media) as opened:
        entries, place = automatic.choices(opened, target, codec), choose_device(device)

        def attempt(entry: registry.CodecEntry) -> tuple[Media, Encoded]:
            chosen = Codec(entry, place)
            kept = chosen.shed(opened, strip)
            return kept, chosen.compress(kept, target, verify=verify)

        kept, encoded = automatic.first(entries, attempt)
        warn((*unkept(kept), *encoded.warnings))
        return encoded.data


def decode(
    source: Source,
    *,
    region: Region | None = None,
    span: Span | None = None,
    partial: bool = False,
    fill: bool = True,
    limits: Limits | None = None,
    device: str = "auto",
) -> Image | Audio:
    """Decode a file to an `Image` or an `Audio`.

    `region` (x, y, width, height) decodes only what it needs of a large picture, `span` (start,
    stop or None) in seconds of a long sound. `partial` decodes what a damaged file still holds;
    what is gone stands in `.lost`, what was guessed in `.concealed`. Without `fill` sounds come
    without the noise that "walloc" puts where it dropped detail: nearer to the waveform, and
    duller. `limits` bounds what a file may claim. Raises `BitstreamError`, `ModelError`,
    `OptionError`.
    """
    with open_source(source) as opened:
        reader = Reader(opened, limits, partial)
        result = decoded(reader, device, region, span, partial, fill)
    warn(result.warnings)
    return result
