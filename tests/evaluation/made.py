"""Results made by hand: rows as `ncodec eval` writes them, with curves that are known."""

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from ncodec.evaluation.folder import File, Loaded, load
from ncodec.evaluation.results import CodecNote, Machine, Results, Row
from ncodec.evaluation.subjects import Subject, open_subject

MACHINE = Machine("A processor", 2, 24.0, "Linux", "3.11", "cpu", 2)
DBS = (28.0, 31.0, 34.0, 37.0, 40.0)
FILES = ("a.png", "b.png")


def picture_row(codec: str, quality: float, file: str, bpp: float, psnr: float) -> Row:
    return Row(
        codec, quality, file, "image", width=200, height=100, pixels=20_000,
        bytes=int(2500 * bpp), payload_bytes=int(2500 * bpp), bpp=bpp, psnr=psnr,
        ms_ssim=1 - 10 ** (-(psnr - 18) / 10), ms_ssim_db=psnr - 18,
        encode_seconds=0.1, decode_seconds=0.05, peak_memory_bytes=2**27,
    )  # fmt: skip


def sound_row(codec: str, quality: float, file: str, kbps: float, log_mel: float) -> Row:
    return Row(
        codec, quality, file, "audio", sample_rate=16_000, channels=1, seconds=2.0,
        bytes=int(250 * kbps), payload_bytes=int(250 * kbps), kbps=kbps, si_sdr=20 - 8 * log_mel,
        log_mel=log_mel, encode_seconds=0.1, decode_seconds=0.05, encode_realtime=20.0,
        decode_realtime=40.0, peak_memory_bytes=2**27,
    )  # fmt: skip


def picture_rows(
    scales: Mapping[str, float], files: Sequence[str] = FILES, dbs: Sequence[float] = DBS
) -> list[Row]:
    """Codecs that take `scales` times the rate of the same curve, at qualities 10, 20, ..."""
    return [
        picture_row(
            codec, 10.0 * (i + 1), file, scale * 0.1 * math.exp((db - 28) / 6) * (1 + n), db
        )
        for codec, scale in scales.items()
        for n, file in enumerate(files)
        for i, db in enumerate(dbs)
    ]


def results(rows: Sequence[Row], **changes: Any) -> Results:  # noqa: ANN401 - any field
    codecs = {row.codec: CodecNote("pillow", row.media or "image", "defaults", "1") for row in rows}
    made = Results("2026-11-29T23:00:00Z", "0.1.0", MACHINE, "some folder", {}, codecs, list(rows))
    return replace(made, **changes)


def photo(width: int = 240, height: int = 180, seed: int = 0) -> NDArray[np.uint8]:
    """Smooth colours with edges and grain, [H, W, 3]."""
    y, x = np.mgrid[0:height, 0:width]
    waves = np.stack([np.sin(x / (9 + 3 * c)) + np.cos(y / (7 + 2 * c)) for c in range(3)], -1)
    grain = np.random.default_rng(seed).normal(0, 0.08, waves.shape)
    edges = ((x // 30 + y // 30) % 2)[..., None] * 0.5
    pixels: NDArray[np.uint8] = np.clip(128 + 45 * (waves + edges + grain), 0, 255).astype(np.uint8)
    return pixels


HOSTILE = "<img src=x onerror=document.title='hit'>&\"'`${x}\u202e.png"
"""A file name that is markup; it turns the direction of text, too."""


def picture_files(folder: Path, names: Sequence[str] = ("a.png", "b.png")) -> Results:
    """Pictures on disk, and what JPEG and WebP really make of them."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(names):
        data = io.BytesIO()
        PIL.Image.fromarray(photo(seed=seed)).save(data, "PNG")
        (folder / name).write_bytes(data.getvalue())
    files = [load(File(folder / name, name)) for name in names]
    rows = [
        _measured(open_subject(codec), quality, name, file)
        for codec in ("jpeg", "webp")
        for name, file in zip(names, files, strict=True)
        for quality in (5.0, 30.0, 60.0, 90.0)
    ]
    notes = {codec: open_subject(codec).note for codec in ("jpeg", "webp")}
    return results(rows, folder=folder.name, codecs=notes)


def _measured(subject: Subject, quality: float, name: str, file: Loaded) -> Row:
    data = subject.encode(file.media, quality)
    image, decoded = file.media.array, subject.decode(data).array
    mse = np.mean((image.astype(float) - decoded) ** 2)
    bpp = 8 * len(data) / (image.size / 3)
    row = picture_row(subject.name, quality, name, bpp, 10 * math.log10(255**2 / mse))
    return replace(row, source=file.source)
