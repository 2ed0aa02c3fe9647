"""What the `grvq` codec saves, what it conceals, and how fast it is, on a folder of speech.

- Savings: bytes of whole files at a rate, against the same files with 10 bits an index; and what a
  chunk costs beside its indices.
- Concealment: PESQ-WB and STOI with 0, 5, 10 and 20 % lost, of the packets of streams (in bursts of
  two on average) and of the chunks of files, played by the model and muted.
- Speed: seconds of sound coded a second, on one thread.

Run it as `python benchmarks/grvq.py FOLDER [--kbps N ...] [--limit N]`.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from ncodec.codecs.base import Target
from ncodec.codecs.grvq import GrvqCodec
from ncodec.codecs.grvq_codes import CodeReader
from ncodec.codecs.grvq_layout import BLOCK, DELAY, RATE
from ncodec.codecs.grvq_stream import StreamDecoder, StreamEncoder
from ncodec.codecs.registry import entry_by_name, weights_for
from ncodec.container import Reader
from ncodec.evaluation import audio_metrics
from ncodec.evaluation.losses import (
    burst_losses,
    packets,
    random_losses,
    received,
    without_chunks,
)
from ncodec.media import Audio, Samples, load_audio
from ncodec.media.level import LevelMeter

SHARES = (0.0, 0.05, 0.1, 0.2)
BURST = 2.0
KBPS = 3.0
INDEX_BITS = 10


def engine() -> GrvqCodec:
    return GrvqCodec(weights_for(entry_by_name("grvq"), None))


def savings(codec: GrvqCodec, sounds: list[Audio], kbps: float) -> str:
    """How much smaller files are than with fixed widths, and the bytes a chunk beside indices."""
    whole = coded = fixed = 0.0
    chunks, seconds = 0, 0.0
    for sound in sounds:
        data = codec.compress(sound, Target("kbps", kbps)).data
        reader = CodeReader(codec.coder, Reader(data))
        found = [reader.read(index) for index in range(len(reader))]
        coded += sum(float(codec.coder.prices(codes).sum()) / 8 for codes in found)
        fixed += sum(INDEX_BITS * int(codes.counts.sum()) / 8 for codes in found)
        whole, chunks, seconds = whole + len(data), chunks + len(found), seconds + sound.seconds
    packed = whole - coded + fixed
    return (
        f"{kbps:g} kbit/s: {8 * whole / seconds / 1000:.3f} in whole files,"
        f" {1 - whole / packed:.1%} smaller than with {INDEX_BITS} bits an index,"
        f" {(whole - coded) / chunks:.1f} bytes a chunk beside the indices"
    )


def lost_chunks(codec: GrvqCodec, sound: Audio, share: float, seed: int) -> list[float]:
    """PESQ and STOI of a file with lost chunks, concealed and then muted; one chunk is kept."""
    data = codec.compress(sound, Target("kbps", KBPS)).data
    lost = random_losses(len(Reader(data).chunks), share, seed)
    lost[0] &= not lost.all()
    found = codec.decompress(Reader(without_chunks(data, lost)), partial=True)
    muted = found.array.copy()
    for span in found.lost:
        muted[round(span.start * RATE) : round(span.stop * RATE)] = 0
    return [*_scores(sound, found.array), *_scores(sound, muted)]


def lost_packets(codec: GrvqCodec, sound: Audio, share: float, seed: int) -> list[float]:
    """The same of a stream with lost packets."""
    meter = LevelMeter()
    meter.add(sound.array[:, 0])
    padded = np.pad(sound.array[:, 0], (0, -sound.samples % BLOCK + DELAY + BLOCK))
    encoder = StreamEncoder(codec, KBPS, meter.gain_db)
    stream = encoder.push(padded) + encoder.finish()
    lost = burst_losses(len(list(packets(stream))), share, BURST, seed)
    decoder = StreamDecoder(codec, meter.gain_db)
    played = [decoder.push(packet) for packet in received(stream, lost)]
    muted = [part * (not gone) for part, gone in zip(played, lost.tolist(), strict=True)]
    whole = slice(DELAY, DELAY + sound.samples)
    outputs = (np.concatenate(parts)[whole, None] for parts in (played, muted))
    return [score for output in outputs for score in _scores(sound, output)]


def _scores(sound: Audio, decoded: Samples) -> Iterator[float]:
    for metric in (audio_metrics.pesq_wb, audio_metrics.stoi):
        yield float(metric(sound.array.T[None], decoded.T[None], RATE)[0])


def speed(codec: GrvqCodec, sounds: list[Audio], kbps: float) -> str:
    """Times real time of both ways."""
    target, begin = Target("kbps", kbps), time.perf_counter()
    files = [codec.compress(sound, target).data for sound in sounds]
    middle = time.perf_counter()
    for data in files:
        codec.decompress(Reader(data))
    end, seconds = time.perf_counter(), sum(sound.seconds for sound in sounds)
    return (
        f"{kbps:g} kbit/s: encode {seconds / (middle - begin):.1f} x,"
        f" decode {seconds / (end - middle):.1f} x real time"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kbps", type=float, nargs="+", default=[1.5, 3, 6])
    parser.add_argument("--limit", type=int, help="sounds for concealment and speed")
    options = parser.parse_args()
    torch.set_num_threads(1)
    codec = engine()
    paths = sorted(p for p in options.folder.iterdir() if p.suffix in {".flac", ".wav", ".ogg"})
    sounds = [load_audio(path) for path in paths]
    codec.decompress(Reader(codec.compress(sounds[0], Target("kbps", 3)).data))
    some = sounds[: options.limit]
    for kbps in options.kbps:
        print(savings(codec, sounds, kbps), flush=True)
    for kbps in options.kbps:
        print(speed(codec, some, kbps), flush=True)
    for what, lose in (("packets", lost_packets), ("chunks", lost_chunks)):
        print(f"lost {what} at {KBPS:g} kbit/s: PESQ-WB and STOI, concealed and muted")
        for share in SHARES:
            rows = [lose(codec, sound, share, seed) for seed, sound in enumerate(some)]
            figures = " ".join(f"{x:.3f}" for x in np.mean(rows, axis=0))
            print(f"{share:4.0%} {figures}", flush=True)


if __name__ == "__main__":
    main()
