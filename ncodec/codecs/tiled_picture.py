"""Picture codecs that code latents tile by tile: targets, tiles, regions, partial decoding."""

import math
from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ncodec.codecs.base import Encoded, Progress, Region, Target
from ncodec.codecs.memory import release_freed
from ncodec.codecs.picture_file import pack_picture, read_alpha, read_metadata, tile_chunks
from ncodec.codecs.rate_search import highest_below, lowest_reaching
from ncodec.codecs.rate_steps import QUALITY_STEPS, RATE_STEPS
from ncodec.codecs.registry import BUILT_IN
from ncodec.codecs.tiles import Box, TileGrid, region_box
from ncodec.container import Header, ImageHeader, Limits, Reader
from ncodec.errors import BitstreamError, CorruptFileError, InputError, LimitExceededError
from ncodec.media import Image, Lost

TILE = 1024
MAX_TILE_PIXELS = 2**22
"""Largest tile that is decoded, 2048 x 2048: its latents take 6 bytes a pixel."""

Pixels = NDArray[np.uint8]


def plain_float32() -> AbstractContextManager[None]:
    """Convolutions on a GPU in whole float32: TF32 would move pixels by several code values."""
    context: AbstractContextManager[None] = torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    )
    return context


class TileLatents(Protocol):
    """Entropy coding of one tile's latent [1, M, h, w] at a rate step."""

    def encode(self, y: Tensor, step: int) -> tuple[bytes, Any]:
        """The payload, and the symbols in it."""
        ...

    def verify(self, payload: bytes, written: Any, size: tuple[int, int], step: int) -> None:  # noqa: ANN401
        """Decode again; `EntropyDesyncError` unless the symbols are those `written`."""
        ...

    def decode_symbols(self, payload: bytes, height: int, width: int, step: int) -> object:
        """The symbols alone. Raises `BitstreamError`s."""
        ...

    def decode(self, payload: bytes, height: int, width: int, step: int) -> Tensor:
        """The dequantised latent."""
        ...

    def empty(self, height: int, width: int) -> Tensor:
        """What stands in for a latent that is lost."""
        ...


class TiledPictureCodec:
    """Encodes and decodes pictures; see `ImageCodec` for the contract.

    A codec adds its networks (`analysis`, `synthesis`) and the entropy coding of its latents.
    """

    name: ClassVar[str]
    stride: ClassVar[int]
    """Pixels a side for one position of the latent."""
    encoder_halo: ClassVar[int]
    """Pixels around a tile that its analysis sees; beyond them the latent hardly changes."""
    decoder_halo: ClassVar[int]
    """Pixels around a tile whose latents its synthesis needs: more than its receptive field."""

    model_id: bytes
    device: torch.device
    latents: TileLatents

    def analysis(self, pixels: Tensor) -> Tensor:
        """Pixels, uint8 [1, 3, H, W], multiples of the stride -> latent [1, M, h, w]."""
        raise TypeError(f"{type(self).__name__} has no analysis")

    def synthesis(self, latent: Tensor, rate: Tensor) -> Tensor:
        """Dequantised latents at rates [1] -> pixels minus 0.5 [1, 3, H, W]."""
        raise TypeError(f"{type(self).__name__} has no synthesis")

    def compress(
        self,
        image: Image,
        target: Target,
        *,
        verify: bool = False,
        progress: Progress | None = None,
    ) -> Encoded:
        """Encode a picture to the bytes of a whole file; see `ImageCodec.compress`."""
        with plain_float32():
            return self._compress(_EncodeJob(self, image, verify, progress), target)

    def _compress(self, job: "_EncodeJob", target: Target) -> Encoded:
        if target.kind == "quality":
            step = round(target.value * QUALITY_STEPS)
            return Encoded(job.file(step), step / QUALITY_STEPS)
        if target.kind == "psnr":
            trial, warning = lowest_reaching(job.psnr, RATE_STEPS, target.value, "psnr (dB)")
        else:
            pixels = job.image.width * job.image.height
            ceiling = target.value if target.kind == "size" else target.value * pixels / 8
            what = f"{target.kind} {target.value:g}, in bytes"
            trial, warning = highest_below(job.size, RATE_STEPS, ceiling, what)
        return Encoded(trial.result, trial.step / QUALITY_STEPS, (warning,) if warning else ())

    def decompress(
        self,
        reader: Reader,
        *,
        region: Region | None = None,
        partial: bool = False,
        progress: Progress | None = None,
    ) -> Image:
        """Decode a file or a region of it; see `ImageCodec.decompress`."""
        job = _DecodeJob(self, reader, partial)
        box = region_box(region, reader.picture.width, reader.picture.height)
        with plain_float32():
            return job.picture(box, progress)

    @torch.inference_mode()
    def read_latents(self, reader: Reader) -> Tensor:
        """The dequantised latent [M, h, w] of a whole picture, without its synthesis."""
        job = _DecodeJob(self, reader, partial=False)
        return job.latent()

    def check(self, reader: Reader, *, progress: Progress | None = None) -> None:
        """Decode all symbols and alpha, and make no pixels."""
        job = _DecodeJob(self, reader, partial=False)
        read_alpha(reader)
        for index in range(len(job.grid)):
            job.check_tile(index)
            if progress:
                progress(index + 1, len(job.grid))

    @torch.inference_mode()
    def analyse(self, colour: Pixels, box: Box) -> Tensor:
        """Latent [1, M, h, w] of the tile `box` of a picture [H, W] or [H, W, 3]."""
        picture = Box(0, 0, colour.shape[1], colour.shape[0])
        seen = box.grow(self.encoder_halo).meet(picture)
        window = np.require(colour[seen.slices], requirements=("C", "W"))
        pixels = torch.from_numpy(window).to(self.device)
        pixels = pixels[..., None].expand(-1, -1, 3) if pixels.ndim == 2 else pixels
        pixels = pixels.permute(2, 0, 1)[None]
        padding = (0, -seen.width % self.stride, 0, -seen.height % self.stride)
        y = self.analysis(F.pad(pixels, padding, mode="replicate") if any(padding) else pixels)
        inner = box.align(self.stride).move(seen.left, seen.top)
        rows, columns = inner.divide(self.stride).slices
        return y[:, :, rows, columns]

    @torch.inference_mode()
    def synthesise(self, latent: Tensor, step: int, crop: Box) -> Pixels:
        """Pixels `crop` (relative to the latent's corner) of a latent: uint8 [H, W, 3]."""
        rate = torch.tensor([step / (RATE_STEPS - 1)], device=self.device)
        planes = self.synthesis(latent, rate)[0]
        rows, columns = crop.slices
        levels = ((planes[:, rows, columns] + 0.5) * 255).round_().clamp_(0, 255).nan_to_num_(0.0)
        pixels: Pixels = levels.to(torch.uint8).permute(1, 2, 0).contiguous().cpu().numpy()
        return pixels


class _EncodeJob:
    """One picture being encoded, at one or many rate steps."""

    def __init__(
        self, codec: TiledPictureCodec, image: Image, verify: bool, progress: Progress | None
    ) -> None:
        self.codec, self.image, self.verify, self.progress = codec, image, verify, progress
        limits = Limits()
        if max(image.width, image.height) > limits.max_side:
            raise InputError(f"{image.width}x{image.height}: sides end at {limits.max_side}")
        self.grid = TileGrid(image.width, image.height, TILE)
        self.latent: Tensor | None = None

    def file(self, step: int) -> bytes:
        """The whole file at a rate step."""
        tiles = []
        for index in range(len(self.grid)):
            tiles.append(self._tile(index, step))
            if self.progress:
                self.progress(index + 1, len(self.grid))
        media = ImageHeader(
            self.image.width, self.image.height, self.image.grey, self.grid.side, step
        )
        header = Header(BUILT_IN[self.codec.name].number, self.codec.model_id, media)
        return pack_picture(header, tiles, self.image)

    def size(self, step: int) -> tuple[float, bytes]:
        """Bytes of the file at a rate step, and the file."""
        data = self.file(step)
        return float(len(data)), data

    def psnr(self, step: int) -> tuple[float, bytes]:
        """PSNR over RGB (dB, 100 if equal) at a rate step, and the file."""
        data = self.file(step)
        decoded = self.codec.decompress(Reader(data)).colour
        error = sum(_squared_error(a, b) for a, b in zip(self.image.colour, decoded, strict=True))
        mse = error / self.image.colour.size
        return (min(100.0, 10 * math.log10(255**2 / mse)) if mse else 100.0), data

    @torch.inference_mode()
    def _tile(self, index: int, step: int) -> bytes:
        latent = self._analysed(index)
        payload, symbols = self.codec.latents.encode(latent, step)
        if self.verify:
            size = (latent.shape[-2], latent.shape[-1])
            self.codec.latents.verify(payload, symbols, size, step)
        return payload

    def _analysed(self, index: int) -> Tensor:
        """The tile's latent; a picture of one tile keeps it from step to step."""
        if len(self.grid) > 1:
            return self.codec.analyse(self.image.colour, self.grid.box(index))
        if self.latent is None:
            self.latent = self.codec.analyse(self.image.colour, self.grid.box(0))
        return self.latent


def _squared_error(a: Pixels, b: Pixels) -> float:
    return float(np.square(a.astype(np.int32) - b).sum())


class _DecodeJob:
    """One file being decoded. Latents of a few rows of tiles are kept for their neighbours."""

    def __init__(self, codec: TiledPictureCodec, reader: Reader, partial: bool) -> None:
        self.codec, self.reader, self.partial = codec, reader, partial
        media = reader.picture
        if media.rate >= RATE_STEPS:
            raise CorruptFileError(f"rate step {media.rate}: steps end at {RATE_STEPS - 1}")
        self.step = media.rate
        self.grid = TileGrid(media.width, media.height, media.tile)
        largest = self.grid.box(0).align(codec.stride)
        if largest.width * largest.height > MAX_TILE_PIXELS:
            claim = f"{largest.width}x{largest.height}"
            raise LimitExceededError(f"a tile of {claim} pixels is above {MAX_TILE_PIXELS} pixels")
        self.chunks = tile_chunks(reader, len(self.grid))
        self.kept: dict[int, Tensor] = {}
        self.lost: dict[int, Lost] = {}

    def _area(self, index: int) -> Box:
        """A tile's positions in the latent."""
        return self.grid.box(index).align(self.codec.stride).divide(self.codec.stride)

    def check_tile(self, index: int) -> None:
        """Decode a tile's symbols."""
        box = self._area(index)
        payload = self.reader.read(self.chunks[index])
        self.codec.latents.decode_symbols(payload, box.height, box.width, self.step)

    def latent(self) -> Tensor:
        """The latent [M, h, w] of all tiles."""
        whole = self.grid.picture.align(self.codec.stride)
        self._first_real([0])
        return self._latents(whole, range(len(self.grid)))[0]

    def picture(self, box: Box, progress: Progress | None) -> Image:
        """The pixels of `box` with alpha, metadata, warnings and lost tiles."""
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
            (*warnings, *complaint),
            tuple(self.lost[i] for i in sorted(self.lost) if i in tiles),
        )

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
        self._forget(window.top // self.grid.side)
        return self.codec.synthesise(latent, self.step, part.move(window.left, window.top))

    def _latents(self, window: Box, tiles: Iterable[int]) -> Tensor:
        """The latent [1, M, h, w] of a window, put together from its tiles."""
        spot = window.divide(self.codec.stride)
        parts = [(self._area(i), self._tile(i)) for i in tiles]
        shape = (1, parts[0][1].shape[1], spot.height, spot.width)
        whole = parts[0][1].new_zeros(shape)
        for box, latent in parts:
            shared = box.meet(spot)
            rows, columns = shared.move(spot.left, spot.top).slices
            source_rows, source_columns = shared.move(box.left, box.top).slices
            whole[:, :, rows, columns] = latent[:, :, source_rows, source_columns]
        return whole

    @torch.inference_mode()
    def _tile(self, index: int) -> Tensor:
        if index not in self.kept:
            self.kept[index] = self._decoded(index, self._area(index))
        return self.kept[index]

    def _decoded(self, index: int, box: Box) -> Tensor:
        """A tile's latent; zeros, which decode to mid-grey, for one lost in a partial decode."""
        coder = self.codec.latents
        try:
            payload = self.reader.read(self.chunks[index])
            return coder.decode(payload, box.height, box.width, self.step)
        except BitstreamError:
            if not self.partial:
                raise
            self.lost[index] = Lost(index, self.grid.box(index).region)
            return coder.empty(box.height, box.width)

    def _forget(self, row: int) -> None:
        """Drop latents of tile rows before `row`."""
        kept = {i: y for i, y in self.kept.items() if self.grid.row_of(i) >= row}
        if len(kept) < len(self.kept):
            self.kept = kept
            release_freed()


def _grey(pixels: Pixels) -> Pixels:
    """Mean of three channels that were equal before coding: [H, W, 3] -> [H, W, 1]."""
    mean: Pixels = ((pixels.sum(2, dtype=np.uint16, keepdims=True) + 1) // 3).astype(np.uint8)
    return mean
