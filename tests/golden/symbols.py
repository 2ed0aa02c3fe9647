"""The integers in a file, as one hash: what must be the same on every machine."""

import hashlib

import numpy as np
from numpy.typing import NDArray

from ncodec.codecs.hyperprior import HyperpriorCodec, _DecodeJob
from ncodec.codecs.hyperprior_latents import Symbols
from ncodec.container import Reader


def tile_symbols(
    engine: HyperpriorCodec, data: bytes
) -> list[tuple[bytes, Symbols, NDArray[np.uint8]]]:
    """Payload, symbols and scale indexes of every tile of a file."""
    job = _DecodeJob(engine, Reader(data), partial=False)
    found = []
    for index, chunk in enumerate(job.chunks):
        box = job.grid.box(index).align(16).divide(16)
        payload = job.reader.read(chunk)
        decoded = engine.latents._decode_symbols(payload, box.height, box.width, job.step)
        found.append((payload, *decoded))
    return found


def symbols_sha256(engine: HyperpriorCodec, data: bytes) -> str:
    """SHA-256 (hex) over all symbols and scale indexes of a file, with their shapes."""
    hasher = hashlib.sha256()
    for _, symbols, indexes in tile_symbols(engine, data):
        for array in (symbols.hyper, symbols.latent, indexes):
            hasher.update(repr(array.shape).encode())
            hasher.update(array.astype("<i4").tobytes())
    return hasher.hexdigest()
