"""A lossless codec without a network: what the command line does must not depend on the codec."""

import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ncodec.codecs.base import Encoded, Progress, Region, Target
from ncodec.container import Chunk, ChunkKind, Header, ImageHeader, Reader, pack
from ncodec.errors import BitstreamError, EntropyDesyncError, OptionError
from ncodec.media import Image, Lost, Metadata

NUMBER, MODEL_ID = 99, bytes(range(32))
TILE = 64
Box = tuple[int, int, int, int]
Pixels = NDArray[np.uint8]


def boxes(media: ImageHeader) -> Iterator[Box]:
    side = media.tile or max(media.width, media.height)
    for y in range(0, media.height, side):
        for x in range(0, media.width, side):
            yield x, y, min(side, media.width - x), min(side, media.height - y)


def packed(pixels: Pixels) -> bytes:
    """A tile's samples, then their sum: intact bytes may still be the wrong picture."""
    return zlib.compress(pixels.tobytes()) + int(pixels.sum() % 2**16).to_bytes(2, "little")


class PlainCodec:
    name = "plain"

    def __init__(self, weights: Path, device: str) -> None:
        self.device = device

    def compress(
        self,
        image: Image,
        target: Target,
        *,
        verify: bool = False,
        progress: Progress | None = None,
    ) -> Encoded:
        if target.kind == "size" and target.value < 100:
            raise OptionError(f"size {target.value:g}: the lowest is 100")
        warnings = ("psnr is out of reach",) if target.kind == "psnr" else ()
        media = ImageHeader(image.width, image.height, image.grey, TILE, 400)
        chunks: list[tuple[str, bytes]] = []
        if image.metadata.exif is not None:
            chunks.append((ChunkKind.EXIF, image.metadata.exif))
        tiles = list(boxes(media))
        for done, (x, y, w, h) in enumerate(tiles):
            chunks.append((ChunkKind.LATENTS, packed(image.colour[y : y + h, x : x + w])))
            if progress:
                progress(done + 1, len(tiles))
        return Encoded(pack(Header(NUMBER, MODEL_ID[:4], media), chunks), 50.0, warnings)

    def decompress(
        self,
        reader: Reader,
        *,
        region: Region | None = None,
        partial: bool = False,
        progress: Progress | None = None,
    ) -> Image:
        media = reader.picture
        shape = (media.height, media.width) if media.grey else (media.height, media.width, 3)
        array, lost = np.zeros(shape, np.uint8), []
        chunks = reader.of_kind(ChunkKind.LATENTS)
        for index, (chunk, box) in enumerate(zip(chunks, boxes(media), strict=True)):
            x, y, w, h = box
            try:
                array[y : y + h, x : x + w] = self._tile(reader, chunk, (h, w, *shape[2:]))
            except BitstreamError:
                if not partial:
                    raise
                lost.append(Lost(index, box))
            if progress:
                progress(index + 1, len(chunks))
        x, y, w, h = region or (0, 0, media.width, media.height)
        if x + w > media.width or y + h > media.height:
            raise OptionError(f"region {region}: outside of {media.width}x{media.height}")
        exif = reader.of_kind(ChunkKind.EXIF)
        metadata = Metadata(exif=reader.read(exif[0]) if exif else None)
        return Image(array[y : y + h, x : x + w], metadata, lost=tuple(lost))

    def check(self, reader: Reader, *, progress: Progress | None = None) -> None:
        self.decompress(reader, progress=progress)

    def _tile(self, reader: Reader, chunk: Chunk, shape: tuple[int, ...]) -> Pixels:
        payload = reader.read(chunk)
        pixels = np.frombuffer(zlib.decompress(payload[:-2]), np.uint8).reshape(shape)
        if packed(pixels)[-2:] != payload[-2:]:
            raise EntropyDesyncError("decoded to other samples than were encoded")
        return pixels
