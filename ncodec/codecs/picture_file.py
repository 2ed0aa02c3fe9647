"""What all picture codecs store alike: alpha, metadata, and the order of chunks."""

import zlib

import numpy as np
from numpy.typing import NDArray

from ncodec.container import Chunk, ChunkKind, Header, Reader, pack
from ncodec.errors import BitstreamError, CorruptFileError, InputError, TruncatedError
from ncodec.media import Image, Metadata

METADATA_BYTES = 2**24
"""Most bytes of unpacked ICC or EXIF."""


def pack_picture(header: Header, tiles: list[bytes], image: Image) -> bytes:
    """The bytes of a whole file: metadata, alpha, then the tiles' latents."""
    chunks: list[tuple[str, bytes]] = []
    if image.metadata.icc is not None:
        chunks.append((ChunkKind.ICC, _packed(image.metadata.icc, "ICC")))
    if image.metadata.exif is not None:
        chunks.append((ChunkKind.EXIF, _packed(image.metadata.exif, "EXIF")))
    if image.alpha is not None:
        chunks.append((ChunkKind.ALPHA, encode_alpha(image.alpha)))
    return pack(header, [*chunks, *((ChunkKind.LATENTS, tile) for tile in tiles)])


def encode_alpha(alpha: NDArray[np.uint8]) -> bytes:
    """Opacity [H, W] without loss, as a row-filtered zlib stream.

    Each row is stored as its difference from the row above, modulo 256: what PNG calls "up".
    """
    packer = zlib.compressobj(6)
    above = np.zeros(alpha.shape[1], np.uint8)
    parts = []
    for row in alpha:
        parts.append(packer.compress((row - above).tobytes()))
        above = row
    return b"".join([*parts, packer.flush()])


def decode_alpha(data: bytes, width: int, height: int) -> NDArray[np.uint8]:
    """Undo `encode_alpha`: uint8 [H, W]. Never unpacks more than the picture has pixels."""
    try:
        unpacker = zlib.decompressobj()
        raw = unpacker.decompress(data, width * height)
        complete = len(raw) == width * height and not unpacker.decompress(
            unpacker.unconsumed_tail, 1
        )
    except zlib.error as error:
        raise CorruptFileError(f"alpha: damaged stream ({error})") from error
    if not complete or not unpacker.eof or unpacker.unused_data:
        raise CorruptFileError("alpha: its length is not the picture's")
    rows = np.frombuffer(raw, np.uint8).reshape(height, width)
    return np.cumsum(rows, axis=0, dtype=np.uint8)


def read_alpha(reader: Reader) -> NDArray[np.uint8] | None:
    """The opacity of a file, or None where it has none."""
    chunks = reader.of_kind(ChunkKind.ALPHA)
    if not chunks:
        return None
    if len(chunks) > 1:
        raise CorruptFileError("more than one alpha chunk")
    media = reader.picture
    return decode_alpha(reader.read(chunks[0]), media.width, media.height)


def read_metadata(reader: Reader) -> tuple[Metadata, tuple[str, ...]]:
    """ICC and EXIF of a file; what is damaged is left out and named in the warnings."""
    found: dict[str, bytes | None] = {"icc": None, "exif": None}
    warnings = []
    for name, kind in (("icc", ChunkKind.ICC), ("exif", ChunkKind.EXIF)):
        for chunk in reader.of_kind(kind):
            try:
                found[name] = _unpacked(reader, chunk)
            except BitstreamError as error:
                warnings.append(f"{name.upper()} metadata is damaged and was left out ({error})")
    return Metadata(icc=found["icc"], exif=found["exif"]), tuple(warnings)


def _packed(raw: bytes, name: str) -> bytes:
    if len(raw) > METADATA_BYTES:
        raise InputError(f"{len(raw)} bytes of {name} metadata, over {METADATA_BYTES}; strip it")
    return zlib.compress(raw, 9)


def _unpacked(reader: Reader, chunk: Chunk) -> bytes:
    data = reader.read(chunk)
    try:
        unpacker = zlib.decompressobj()
        raw = unpacker.decompress(data, METADATA_BYTES + 1)
    except zlib.error as error:
        raise CorruptFileError(f"damaged stream ({error})") from error
    if not unpacker.eof or len(raw) > METADATA_BYTES:
        raise CorruptFileError(f"incomplete, or over {METADATA_BYTES} bytes")
    return raw


def tile_chunks(reader: Reader, count: int, tiles: int) -> tuple[Chunk, ...]:
    """The latent chunks of a file, which must be `count` for its tiles."""
    chunks = reader.of_kind(ChunkKind.LATENTS)
    if len(chunks) != count:
        kind = TruncatedError if len(chunks) < count else CorruptFileError
        raise kind(f"{len(chunks)} latent chunks for {tiles} tiles")
    return chunks
