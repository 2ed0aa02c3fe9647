"""What the context model of `walloc` is worth: its files beside latents in lossless WebP.

The published arrangement of WaLLoC stores the rounded latents as 8-bit pictures in lossless WebP.
This does so with the very integers that are in our files, so that the decoded sound is the same.

    python benchmarks/lossless_latents.py FOLDER --quality 20 50 80
"""

import argparse
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from ncodec.codecs import registry
from ncodec.codecs.base import Target
from ncodec.codecs.walloc_decoding import ChunkReader
from ncodec.codecs.walloc_latents import CPU
from ncodec.codecs.walloc_layout import pair_count
from ncodec.codecs.walloc_sound import WallocSounds
from ncodec.container import Reader
from ncodec.media import load_audio
from ncodec.models.pyramid import pyramid
from ncodec.models.walloc import SOUND

SUFFIXES = {".flac", ".ogg", ".wav"}
WIDEST = 16_383
"""Pixels a side of a WebP picture."""


def latents_of(codec: WallocSounds, data: bytes) -> NDArray[np.uint8]:
    """The integers of a file as levels of grey: [P channels, frames], 128 is 0."""
    reader = Reader(data)
    chunks = ChunkReader(codec.latents, reader)
    pairs, parts = pair_count(reader.sound.channels), []
    for index in range(len(chunks)):
        first, stop = chunks.timing.chunk(index)
        rank = pyramid(1, stop - first, SOUND.coarsest, CPU).rank.numpy()
        values = chunks.symbols(index).values.reshape(pairs, stop - first, -1)[:, rank]
        whole = np.pad(values, ((0, 0), (0, 0), (0, SOUND.latents - values.shape[2])))
        parts.append(whole.transpose(0, 2, 1).reshape(-1, stop - first))
    levels: NDArray[np.uint8] = (np.concatenate(parts, 1).clip(-128, 127) + 128).astype(np.uint8)
    return levels


def webp_bytes(levels: NDArray[np.uint8]) -> int:
    """Bytes of lossless WebP pictures at most `WIDEST` wide, at the highest effort."""
    total = 0
    for start in range(0, levels.shape[1], WIDEST):
        file = io.BytesIO()
        Pillow.fromarray(levels[:, start : start + WIDEST]).save(
            file, "WEBP", lossless=True, quality=100, method=6
        )
        total += file.tell()
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare files with latents in lossless WebP.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--quality", type=float, nargs="+", default=[20, 50, 80])
    options = parser.parse_args()
    row = registry.entry_by_name("walloc").rows[1]
    codec = registry.load(row, registry.weights_for(row, None), "cpu")
    if not isinstance(codec, WallocSounds):
        raise TypeError(type(codec))
    for quality in options.quality:
        ours = webp = seconds = 0.0
        for path in sorted(p for p in options.folder.iterdir() if p.suffix in SUFFIXES):
            sound = load_audio(path)
            data = codec.compress(sound, Target("quality", quality)).data
            ours, webp = ours + len(data), webp + webp_bytes(latents_of(codec, data))
            seconds += sound.seconds
        rates = [8 * size / seconds / 1000 for size in (ours, webp)]
        print(f"quality {quality:5.1f}: {rates[0]:6.1f} kbit/s, lossless WebP {rates[1]:6.1f},"
              f" ratio {ours / webp:.3f}")  # fmt: skip


if __name__ == "__main__":
    main()
