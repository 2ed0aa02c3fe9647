"""Classical codecs to compare with: pictures through Pillow, sounds through libsndfile."""

from __future__ import annotations

import inspect
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module

import numpy as np
import PIL
import PIL.features
import PIL.Image

from ncodec.errors import OptionError
from ncodec.evaluation.payloads import payload_bytes
from ncodec.evaluation.quiet import quiet_stderr
from ncodec.evaluation.results import CodecNote
from ncodec.evaluation.sounds import resampled
from ncodec.media import Audio, Image

BLOCK = 4096
"""Frames a write: libsndfile's Vorbis encoder overflows the stack with half a minute at once."""
MP3_DELAY = 1105
"""Samples that MP3 puts first, and that players drop where a tag of the encoder says so."""


class QualityError(OptionError):
    """A quality that the codec does not have, or not for this file."""


@dataclass(frozen=True)
class PillowCodec:
    """One format of Pillow; `quality` is Pillow's."""

    name: str
    format: str
    note: CodecNote
    qualities: tuple[float, ...]
    options: Mapping[str, int] = field(default_factory=dict)

    def encode(self, image: Image, quality: float) -> bytes:
        """The bytes of a file. `QualityError` unless quality is a whole number in 0..100."""
        if not 0 <= quality <= 100 or quality != int(quality):
            raise QualityError(f"{self.name} quality {quality:g}: must be a whole number, 0 to 100")
        file = io.BytesIO()
        image.to_pil().save(file, self.format, quality=int(quality), **self.options)
        return file.getvalue()

    def decode(self, data: bytes) -> Image:
        """The picture in such a file.

        Not through PIL.Image.open, which refuses large pictures by a limit of the whole process
        (the WebP plugin of new versions of Pillow does so itself).
        """
        PIL.Image.init()
        factory, _ = PIL.Image.OPEN[self.format]
        with factory(io.BytesIO(data), "") as picture:
            return Image(np.asarray(picture if picture.mode == "L" else picture.convert("RGB")))

    def payload(self, data: bytes) -> int:
        """Entropy-coded bytes of a file."""
        return payload_bytes(data)


_PILLOW: dict[str, tuple[str, str, tuple[float, ...], str]] = {
    "jpeg": ("JPEG", "4:2:0, Huffman tables not optimised",
             (5, 10, 15, 20, 30, 40, 50, 60, 70, 80, 90, 95), "jpg"),
    "webp": ("WEBP", "4:2:0, method 4", (0, 5, 15, 30, 45, 60, 70, 80, 88, 93, 97), "webp"),
    "avif": ("AVIF", "4:2:0, speed 6", (5, 12, 20, 30, 40, 50, 60, 70, 80), "avif"),
    "jxl": ("JXL", "VarDCT, effort 7", (5, 15, 30, 45, 60, 70, 78, 85, 90, 94), ""),
}  # fmt: skip
_PILLOW_OPTIONS = {"webp": {"method": 4}, "avif": {"speed": 6}, "jxl": {"effort": 7}}
_THREADS = {"avif": "max_threads", "jxl": "num_threads"}


def _pillow_version(name: str, feature: str) -> str:
    """Pillow's version and that of the library below; `OptionError` where that is missing."""
    if name == "jxl":
        return f"Pillow {PIL.__version__}, {_jxl_plugin()}"
    if not PIL.features.check(feature):
        raise OptionError(f"{name}: this Pillow was built without it; install Pillow's own wheel")
    return f"Pillow {PIL.__version__}, library {PIL.features.version(feature)}"


def _jxl_plugin() -> str:
    """Register the Pillow plugin for JPEG XL; its name and version."""
    try:
        plugin = import_module("pillow_jxl")
    except ImportError as error:
        raise OptionError(
            "jxl: not installed: pip install pillow-jxl-plugin (GPL; only for comparisons)"
        ) from error
    from importlib.metadata import version

    return f"{plugin.__name__} {version('pillow-jxl-plugin')}"


def open_pillow(name: str, threads: int | None = None) -> PillowCodec:
    """A codec for pictures by its name. `OptionError` where Pillow lacks it here."""
    format, settings, qualities, feature = _PILLOW[name]
    options = dict(_PILLOW_OPTIONS.get(name, {}))
    if threads is not None and name in _THREADS:
        options[_THREADS[name]] = threads
    note = CodecNote("pillow", "image", settings, _pillow_version(name, feature))
    return PillowCodec(name, format, note, qualities, options)


Level = Callable[[float, Audio], float]
"""Quality and sound -> libsndfile's compression level, 0..1 from large to small."""


@dataclass(frozen=True)
class SndfileCodec:
    """One format of libsndfile; `level` says what its quality is."""

    name: str
    format: str
    subtype: str
    note: CodecNote
    qualities: tuple[float, ...]
    level: Level
    rates: tuple[int, ...] = ()

    def encode(self, sound: Audio, quality: float) -> bytes:
        """The bytes of a file, at the next sample rate that the format has."""
        import soundfile

        above = [rate for rate in self.rates if rate >= sound.sample_rate]
        wanted = (above or [max(self.rates)])[0] if self.rates else sound.sample_rate
        sound = resampled(sound, wanted)
        level, file = self.level(quality, sound), io.BytesIO()
        mode = {"bitrate_mode": "CONSTANT"} if self.format == "MP3" else {}
        with soundfile.SoundFile(
            file, "w", sound.sample_rate, sound.channels, self.subtype, format=self.format,
            compression_level=level, **mode,
        ) as writer:  # fmt: skip
            for start in range(0, len(sound.array), BLOCK):
                writer.write(sound.array[start : start + BLOCK])
        return file.getvalue()

    def decode(self, data: bytes) -> Audio:
        """The sound in such a file."""
        import soundfile

        with quiet_stderr():
            array, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
        tagged = self.format != "MP3" or b"LAME" in data[:512]
        return Audio(array[0 if tagged else MP3_DELAY :], rate)

    def payload(self, data: bytes) -> int:
        """Entropy-coded bytes of a file; of MP3, all."""
        return payload_bytes(data)


def _opus_level(kbps: float, sound: Audio) -> float:
    low, high = 6 * sound.channels, 256 * sound.channels
    _check_rate("opus", kbps, sound, low, high)
    return (high - kbps) / (high - low)


def _mp3_level(kbps: float, sound: Audio) -> float:
    """Constant rates of MPEG-1, 2 and 2.5; libsndfile refuses the lowest of each."""
    ranges = {32_000: (32, 40, 320), 16_000: (8, 16, 160), 0: (8, 16, 64)}
    bottom, low, high = next(v for rate, v in ranges.items() if sound.sample_rate >= rate)
    _check_rate("mp3", kbps, sound, low, high)
    return (high - kbps) / (high - bottom)


def _check_rate(name: str, kbps: float, sound: Audio, low: float, high: float) -> None:
    if not low <= kbps <= high:
        raise QualityError(
            f"{name} at {kbps:g} kbit/s: {low:g} to {high:g} are there for {sound.channels}"
            f" channels at {sound.sample_rate} Hz"
        )


def _vorbis_level(quality: float, _: Audio) -> float:
    if not 0 <= quality <= 10:
        raise QualityError(f"vorbis quality {quality:g}: must lie in 0..10")
    return 1 - quality / 10


_SNDFILE: dict[str, tuple[str, str, str, tuple[float, ...], Level, tuple[int, ...]]] = {
    "opus": ("OGG", "OPUS", "kbit/s asked for, variable rate",
             (6, 8, 12, 16, 24, 32, 48, 64, 96), _opus_level,
             (8000, 12000, 16000, 24000, 48000)),
    "mp3": ("MP3", "MPEG_LAYER_III", "kbit/s, constant rate",
            (16, 24, 32, 48, 64, 96, 128), _mp3_level,
            (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)),
    "vorbis": ("OGG", "VORBIS", "quality 0 to 10, variable rate",
               (0, 1, 2, 3, 5, 7), _vorbis_level, ()),
}  # fmt: skip

NAMES = {**dict.fromkeys(_PILLOW, "image"), **dict.fromkeys(_SNDFILE, "audio")}
"""All baselines, with their kind of media."""


def open_sndfile(name: str) -> SndfileCodec:
    """A codec for sounds by its name. `OptionError` where libsndfile lacks it here."""
    import soundfile

    format, subtype, settings, qualities, level, rates = _SNDFILE[name]
    if "compression_level" not in inspect.signature(soundfile.SoundFile).parameters:
        raise OptionError(f"{name}: needs a newer soundfile: pip install 'soundfile>=0.13'")
    if subtype not in soundfile.available_subtypes(format):
        raise OptionError(f"{name}: this libsndfile was built without it; install soundfile's own")
    version = f"libsndfile {soundfile.__libsndfile_version__}"
    note = CodecNote("libsndfile", "audio", settings, version)
    return SndfileCodec(name, format, subtype, note, qualities, level, rates)
