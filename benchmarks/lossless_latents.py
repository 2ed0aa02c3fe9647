"""What entropy coding is worth to `walloc`: its files beside latents in lossless WebP.

The published arrangement of WaLLoC rounds latents to 8 bits and stores them as a picture in
lossless WebP. Here the same trained encoder's latents are rounded and stored as its published
example for stereo stores them (folded into tiles of three planes, Pillow's defaults), finely and
coarsely, and decoded by the same trained decoder: what they need for the sound of our files is read
off that curve. Equal sound is told by three measures: SI-SDR, log-mel distance and ViSQOL. With
`--best` they are stored as well as we know how to: one plane, a row for each channel, WebP's
highest effort. Sounds are brought to the rate of the codec first.

    python benchmarks/lossless_latents.py FOLDER --quality 25 42 62 80
"""

import argparse
import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import soxr
import torch
from numpy.typing import NDArray
from PIL import Image as Pillow
from scipy.interpolate import PchipInterpolator
from torch import Tensor

from ncodec.codecs import registry
from ncodec.codecs.base import Target
from ncodec.codecs.rate_steps import RATE_STEPS
from ncodec.codecs.walloc_analysis import analysed, measured_gain, windows
from ncodec.codecs.walloc_layout import Plan, channels_of
from ncodec.codecs.walloc_sound import WallocSounds
from ncodec.container import Reader
from ncodec.evaluation import log_mel, si_sdr, visqol
from ncodec.media import Audio, load_audio
from ncodec.models.walloc_medium import SAMPLE_RATE, SOUND

SUFFIXES = {".flac", ".ogg", ".wav"}
FOLD, PLANES = 128, 3
WIDEST = 16_383
"""Pixels a side of a WebP picture."""
STEPS = 8
"""Rate steps at which the published arrangement is measured."""

Point = NDArray[np.float64]
"""Bits a second, and what `MEASURES` are: more is better."""
MEASURES = "SI-SDR", "log-mel", "ViSQOL"
SIGNS = np.array([1, 1, -1, 1])


def sounds_of(folder: Path) -> list[Audio]:
    """All sounds of a folder at the rate of the codec."""
    found = [load_audio(p) for p in sorted(folder.iterdir()) if p.suffix in SUFFIXES]
    return [Audio(soxr.resample(s.array, s.sample_rate, SAMPLE_RATE), SAMPLE_RATE) for s in found]


def folded(levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Latents [M, t] as the published code lays them out: a picture [., ., 3].

    Time is folded into tiles 128 wide; the channels' tiles form a grid in each of three planes. A
    channel or two are missing at its end where three do not divide them.
    """
    channels, frames = levels.shape
    missing = (0, -channels % PLANES), (0, -frames % FOLD)
    padded = np.pad(levels, missing, constant_values=128)
    count = len(padded) // PLANES
    rows = max(n for n in range(1, int(count**0.5) + 1) if count % n == 0)
    tiles = padded.reshape(rows, count // rows, PLANES, -1, FOLD)
    high, wide = rows * tiles.shape[3], count // rows * FOLD
    return tiles.transpose(0, 3, 1, 4, 2).reshape(high, wide, PLANES)


def webp_bytes(picture: NDArray[np.uint8], **effort: int) -> int:
    """Bytes of a picture in lossless WebP."""
    file = io.BytesIO()
    Pillow.fromarray(picture).save(file, "WEBP", lossless=True, **effort)
    return file.tell()


def latent_bytes(levels: NDArray[np.uint8], best: bool) -> int:
    """Bytes of latents [M, t] in lossless WebP, as published or as well as can be."""
    if not best:
        return webp_bytes(folded(levels))
    parts = np.split(levels, range(WIDEST, levels.shape[1], WIDEST), axis=1)
    return sum(webp_bytes(np.ascontiguousarray(p), quality=100, method=6) for p in parts)


def point(
    sound: Audio, decoded: NDArray[np.float32], size: int, filled: NDArray[np.float32] | None = None
) -> Point:
    """Rate and likeness of one decoded sound [T, C]; what is heard, by one filled with noise."""
    original, exact = sound.array.T[None], decoded.T[None]
    heard = exact if filled is None else filled.T[None]
    found = (
        8 * size / sound.seconds,
        si_sdr(original, exact)[0],
        log_mel(original, heard, SAMPLE_RATE)[0],
        visqol(original, heard, SAMPLE_RATE)[0],
    )
    return np.multiply(SIGNS, found, dtype=np.float64)


def ours(codec: WallocSounds, sound: Audio, quality: float) -> Point:
    """A file of ours. SI-SDR is of what is decoded without noise, which costs likeness."""
    data = codec.compress(sound, Target("quality", quality)).data
    exact, filled = (codec.decompress(Reader(data), fill=fill).array for fill in (False, True))
    return point(sound, exact, len(data), filled)


@torch.inference_mode()
def published(codec: WallocSounds, sound: Audio, latent: Tensor, step: int, best: bool) -> Point:
    """Latents [P, M, 1, t], rounded to 8 bits, in lossless WebP, decoded."""
    rate = torch.tensor([step / (RATE_STEPS - 1)])
    gain = codec.model.gain(rate)
    levels = (latent * gain).round().clamp(-128, 127)
    pictures = (levels + 128).to(torch.uint8)[:, :, 0].numpy()
    size = sum(latent_bytes(picture, best) for picture in pictures)
    pairs = SOUND.unpack(codec.model.synthesis(levels / gain, rate))[..., : sound.samples]
    plan = Plan(step, measured_gain(sound))
    return point(sound, channels_of(pairs.numpy(), sound.channels) / plan.gain, size)


def latent_of(codec: WallocSounds, sound: Audio) -> Tensor:
    """The latents [P, M, 1, t] of a whole sound, not rounded."""
    plan = Plan(0, measured_gain(sound))
    parts = windows(sound, plan.gain)
    return torch.cat([analysed(codec.model, *part, codec.device) for part in parts], 3)


def mean(points: Iterable[Point]) -> Point:
    """The average of rates and of likenesses."""
    found: Point = np.mean(list(points), 0)
    return found


def curve(points: list[Point], measure: int) -> PchipInterpolator:
    """Log rate over likeness, of the points before the finest: 8 bits clip what is finer still."""
    likeness = [float(p[measure]) for p in points]
    best = int(np.argmax(likeness))
    rising = [i for i in range(best + 1) if all(likeness[i] > other for other in likeness[:i])]
    rates = np.log([points[i][0] for i in rising])
    return PchipInterpolator([likeness[i] for i in rising], rates, extrapolate=False)


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare files with latents in lossless WebP.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--quality", type=float, nargs="+", default=[25, 42, 62, 80])
    parser.add_argument("--best", action="store_true", help="WebP as good as it gets")
    options = parser.parse_args()
    best: bool = options.best
    row = registry.entry_by_name("walloc").rows[1]
    codec = registry.load(row, registry.weights_for(row, None), "cpu")
    if not isinstance(codec, WallocSounds):
        raise TypeError(type(codec))
    sounds = sounds_of(options.folder)
    latents = [latent_of(codec, sound) for sound in sounds]
    steps = np.linspace(0, RATE_STEPS - 1, STEPS).round().astype(int).tolist()
    webp = [
        mean(published(codec, *pair, step, best) for pair in zip(sounds, latents, strict=True))
        for step in steps
    ]
    needed = [curve(webp, measure) for measure in range(1, 1 + len(MEASURES))]
    for quality in options.quality:
        rate, *likeness = mean(ours(codec, sound, quality) for sound in sounds)
        print(f"quality {quality:5.1f}: {rate / 1000:6.1f} kbit/s; lossless WebP's for equal")
        for name, value, rate_for in zip(MEASURES, likeness, needed, strict=True):
            theirs = float(np.exp(rate_for(value)))
            print(
                f"    {name:8} {abs(value):6.3f}: {theirs / 1000:6.1f}, ratio {rate / theirs:.3f}"
            )


if __name__ == "__main__":
    main()
