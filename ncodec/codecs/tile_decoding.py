"""One picture file being decoded: tiles, regions, and what a damaged file still holds."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ncodec.codecs.base import Progress
from ncodec.codecs.memory import release_freed
from ncodec.codecs.picture_file import read_alpha, read_metadata, tile_chunks
from ncodec.codecs.tiles import Box, TileGrid
from ncodec.container import Reader
from ncodec.errors import BitstreamError, CorruptFileError, LimitExceededError
from ncodec.media import Image, Lost

if TYPE_CHECKING:
    from ncodec.codecs.tiled_picture import TiledPictureCodec

MAX_TILE_PIXELS = 2**22
"""Largest tile that is decoded, 2048 x 2048: its latents take 6 bytes a pixel."""
MANY_TILES = 40
"""With more tiles, memory counts for more than a little time."""

Pixels = NDArray[np.uint8]
Origins = NDArray[np.uint8]
"""[h, w]: what stands at each position of a latent: `CODED`, or a guess where it was left out by
the encoder or lost."""
CODED, LEFT_OUT, LOST = range(3)

Part = Callable[[], bytes]
"""Reads one payload of a tile; raises `BitstreamError`s."""


class DecodeJob:
    """One file being decoded. Latents are kept as long as tiles beside or below need them."""

    def __init__(self, codec: TiledPictureCodec, reader: Reader, partial: bool) -> None:
        self.codec, self.reader, self.partial = codec, reader, partial
        media = reader.picture
        if media.rate >= codec.rates:
            raise CorruptFileError(f"rate step {media.rate}: steps end at {codec.rates - 1}")
        self.rate = media.rate
        self.grid = TileGrid(media.width, media.height, media.tile)
        largest = self.grid.box(0).align(codec.stride)
        if largest.width * largest.height > MAX_TILE_PIXELS:
            claim = f"{largest.width}x{largest.height}"
            raise LimitExceededError(f"a tile of {claim} pixels is above {MAX_TILE_PIXELS} pixels")
        self.parts = self._parts()
        self.kept: dict[int, tuple[Box, Tensor]] = {}
        self.lost: dict[int, Lost] = {}
        self.top: int | None = None
        self.origins: dict[int, Origins] = {}

    @property
    def pixels(self) -> int:
        """Pixels of the whole picture."""
        return self.grid.picture.width * self.grid.picture.height

    def area(self, index: int) -> Box:
        """A tile's positions in the latent."""
        return self.grid.box(index).align(self.codec.stride).divide(self.codec.stride)

    def _parts(self) -> Callable[[int], list[Part]]:
        """What reads the chunks of each tile. Tiles of the last row may have fewer chunks."""
        rest = len(self.grid) - self.grid.columns
        many, few = (self.codec.chunks_of(self.area(i)) for i in (0, len(self.grid) - 1))
        chunks = tile_chunks(self.reader, rest * many + self.grid.columns * few, len(self.grid))

        def parts(index: int) -> list[Part]:
            count = many if index < rest else few
            first = many * min(index, rest) + few * max(index - rest, 0)
            return [functools.partial(self.reader.read, c) for c in chunks[first : first + count]]

        return parts

    def check_tile(self, index: int) -> None:
        """Decode a tile's symbols."""
        self.codec.check_parts(self.parts(index), self.area(index), self.rate)

    def latent(self) -> Tensor:
        """The latent [M, h, w] of all tiles."""
        whole = self.grid.picture.align(self.codec.stride)
        self._first_real([0])
        return self._latents(whole, range(len(self.grid)))[0]

    def picture(self, box: Box, progress: Progress | None) -> Image:
        """The pixels of `box` with alpha, metadata, warnings, lost tiles and guesses."""
        metadata, warnings = read_metadata(self.reader)
        alpha, complaint = self._alpha()
        media = self.reader.picture
        channels = (1 if media.grey else 3) + (alpha is not None)
        tiles = list(self.grid.touching(box))
        self._first_real(tiles)  # Memory for all pixels only once a tile proved to be real.
        array = np.empty((box.height, box.width, channels), np.uint8)
        for done, index in enumerate(tiles):
            part = self.grid.box(index).meet(box)
            pixels = self._pixels(part, index)
            rows, columns = part.move(box.left, box.top).slices
            array[rows, columns, : 1 if media.grey else 3] = _grey(pixels) if media.grey else pixels
            self._forget(part)
            if progress:
                progress(done + 1, len(tiles))
        if alpha is not None:
            array[..., -1] = alpha[box.slices]
        if len(tiles) > 1:
            self.kept.clear()
            release_freed()
        return Image(
            array[..., 0] if channels == 1 else array,
            metadata,
            (*warnings, *complaint, *self._guesses(tiles)),
            tuple(self.lost[i] for i in sorted(self.lost) if i in tiles),
            self._concealed(tiles, box),
        )

    def _guesses(self, tiles: list[int]) -> list[str]:
        """What to say of tiles that lost a part."""
        hurt = [i for i in tiles if i in self.origins and (self.origins[i] == LOST).any()]
        return [
            f"tile {i}: {(self.origins[i] == LOST).mean():.0%} of it is damaged and was guessed"
            for i in hurt
            if i not in self.lost
        ]

    def _concealed(self, tiles: list[int], box: Box) -> NDArray[np.bool_] | None:
        """Where no data stand behind the pixels of `box`, for codecs that guess."""
        if not any(i in self.origins for i in tiles):
            return None
        found = np.zeros((box.height, box.width), np.bool_)
        for index in tiles:
            if index in self.origins:
                corner, part = self.grid.box(index), self.grid.box(index).meet(box)
                rows, columns = (
                    np.arange(s.start, s.stop) // self.codec.stride
                    for s in part.move(corner.left, corner.top).slices
                )
                guessed = self.origins[index] != CODED
                found[part.move(box.left, box.top).slices] = guessed[np.ix_(rows, columns)]
        return found

    def _first_real(self, tiles: list[int]) -> None:
        """Decode tiles until one succeeds; `CorruptFileError` where a partial decode finds none."""
        for index in tiles:
            self._tile(index)
            if index not in self.lost:
                return
            del self.kept[index]
        raise CorruptFileError("no tile is left that could be decoded")

    def _alpha(self) -> tuple[Pixels | None, tuple[str, ...]]:
        try:
            return read_alpha(self.reader), ()
        except BitstreamError as error:
            if not self.partial:
                raise
            return None, (f"alpha is damaged and was left out ({error})",)

    def _pixels(self, part: Box, index: int) -> Pixels:
        """Pixels of a part of one tile, from its latents and those around it."""
        seen = part.grow(self.codec.decoder_halo).meet(self.grid.picture)
        window = seen.align(self.codec.stride)
        latent = self._latents(window, self.grid.touching(window))
        self._release(part.top)
        return self.codec.synthesise(latent, self.rate, part.move(window.left, window.top))

    def _latents(self, window: Box, tiles: Iterable[int]) -> Tensor:
        """The latent [1, M, h, w] of a window, put together from its tiles."""
        spot = window.divide(self.codec.stride)
        parts = [self._tile(i) for i in tiles]
        shape = (1, parts[0][1].shape[1], spot.height, spot.width)
        whole = parts[0][1].new_zeros(shape)
        for box, latent in parts:
            shared = box.meet(spot)
            rows, columns = shared.move(spot.left, spot.top).slices
            source_rows, source_columns = shared.move(box.left, box.top).slices
            whole[:, :, rows, columns] = latent[:, :, source_rows, source_columns]
        return whole

    @torch.inference_mode()
    def _tile(self, index: int) -> tuple[Box, Tensor]:
        """A tile's latent, or what is kept of it, and its positions in the picture's."""
        if index not in self.kept:
            area = self.area(index)
            latent = self._decoded(index, area)
            self.kept[index] = area, latent
            origins = self.codec.origins(latent)
            if origins is not None:
                self.origins[index] = origins
        return self.kept[index]

    def _decoded(self, index: int, box: Box) -> Tensor:
        """A tile's latent; one that decodes to mid-grey for one lost in a partial decode."""
        try:
            return self.codec.restore(self.parts(index), box, self.rate, self.partial)
        except BitstreamError:
            if not self.partial:
                raise
            self.lost[index] = Lost(index, self.grid.box(index).region)
            return self.codec.empty(box, self.rate)

    def _release(self, top: int) -> None:
        """Give back what the symbols of a tile from row `top` on took, before its pixels do.

        It takes a tenth of a tile's time: in pictures of usual sizes, once a row is enough.
        """
        if self.top not in (None, top) or len(self.grid) > MANY_TILES:
            release_freed()
        self.top = top

    def _forget(self, done: Box) -> None:
        """Drop what no tile after the pixels `done` needs; tiles come row by row."""
        halo, stride = self.codec.decoder_halo, self.codec.stride
        for index, (box, latent) in list(self.kept.items()):
            beside = box.right > (done.right - halo) // stride
            top = ((done.top if beside else done.bottom) - halo) // stride
            if top >= box.bottom:
                del self.kept[index]
            elif top > box.top:
                rest = Box(box.left, top, box.right, box.bottom)
                self.kept[index] = rest, latent[:, :, top - box.top :].clone()


def _grey(pixels: Pixels) -> Pixels:
    """Mean of three channels that were equal before coding: [H, W, 3] -> [H, W, 1]."""
    mean: Pixels = ((pixels.sum(2, dtype=np.uint16, keepdims=True) + 1) // 3).astype(np.uint8)
    return mean
