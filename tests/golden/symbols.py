"""The integers in a file, as one hash: what must be the same on every machine."""

import hashlib

from torch import Tensor

from ncodec.codecs.checkerboard import as_columns
from ncodec.codecs.hyperprior import HyperpriorCodec
from ncodec.codecs.hyperprior_latents import Symbols
from ncodec.codecs.tile_decoding import DecodeJob
from ncodec.container import Reader


def tile_symbols(
    engine: HyperpriorCodec, data: bytes
) -> list[tuple[bytes, Symbols, Tensor, Tensor]]:
    """Payload, symbols and both halves' scale indexes [n, M] of every tile of a file."""
    job = DecodeJob(engine, Reader(data), partial=False)
    found = []
    for index in range(len(job.grid)):
        box = job.grid.box(index).align(16).divide(16)
        payload = job.parts(index)[0]()
        read = engine.latents._decode_symbols(payload, box.height, box.width, job.rate)
        symbols = Symbols(read.hyper, read.anchors.symbols(), read.others.symbols())
        found.append((payload, symbols, read.rows, read.other_rows))
    return found


def symbols_sha256(engine: HyperpriorCodec, data: bytes) -> str:
    """SHA-256 (hex) over all symbols and scale indexes of a file, with their shapes."""
    hasher = hashlib.sha256()
    for _, symbols, rows, other_rows in tile_symbols(engine, data):
        indexes = (as_columns(rows).numpy(), as_columns(other_rows).numpy())
        for array in (symbols.hyper, symbols.anchors, symbols.others, *indexes):
            hasher.update(repr(array.shape).encode())
            hasher.update(array.astype("<i4").tobytes())
    return hasher.hexdigest()
