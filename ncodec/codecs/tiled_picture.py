"""Picture codecs that code latents tile by tile: targets, tiles, regions, partial decoding."""

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ncodec.codecs.base import Encoded, Progress, Region, Target
from ncodec.codecs.picture_file import pack_picture, read_alpha
from ncodec.codecs.rate_search import highest_below, lowest_reaching
from ncodec.codecs.rate_steps import RATE_STEPS
from ncodec.codecs.registry import BUILT_IN
from ncodec.codecs.tile_decoding import DecodeJob, Origins, Part, Pixels
from ncodec.codecs.tiles import Box, TileGrid, region_box
from ncodec.container import Header, ImageHeader, Limits, Reader
from ncodec.errors import InputError, OptionError
from ncodec.media import Image

TILE = 1024


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
    steps: ClassVar[int] = RATE_STEPS
    """Rate steps, from quality 0 to 100."""
    rates: ClassVar[int] = RATE_STEPS
    """Rates that a file's header may have: a step, plus `steps` for each percent left out."""
    brief: ClassVar[bool] = False
    """Whether payloads are so small that checksums of 2 bytes do."""

    model_id: bytes
    device: torch.device
    latents: TileLatents

    def analysis(self, pixels: Tensor) -> Tensor:
        """Pixels, uint8 [1, 3, H, W], multiples of the stride -> latent [1, M, h, w]."""
        raise TypeError(f"{type(self).__name__} has no analysis")

    def synthesis(self, latent: Tensor, rate: Tensor) -> Tensor:
        """Dequantised latents at rates [1] -> pixels minus 0.5 [1, 3, H, W]."""
        raise TypeError(f"{type(self).__name__} has no synthesis")

    def payloads(self, latent: Tensor, rate: int, verify: bool) -> list[bytes]:
        """The payloads of a tile's latent, one for each of its chunks."""
        payload, symbols = self.latents.encode(latent, rate)
        if verify:
            self.latents.verify(payload, symbols, (latent.shape[-2], latent.shape[-1]), rate)
        return [payload]

    def chunks_of(self, area: Box) -> int:
        """How many chunks a tile of these positions has."""
        return 1

    def restore(self, parts: Sequence[Part], area: Box, rate: int, partial: bool) -> Tensor:
        """The dequantised latent of a tile; `partial`: as long as any of its parts is intact."""
        return self.latents.decode(parts[0](), area.height, area.width, rate)

    def empty(self, area: Box, rate: int) -> Tensor:
        """What stands in for the latent of a tile that is lost: it decodes to mid-grey."""
        return self.latents.empty(area.height, area.width)

    def check_parts(self, parts: Sequence[Part], area: Box, rate: int) -> None:
        """Decode the symbols of a tile."""
        self.latents.decode_symbols(parts[0](), area.height, area.width, rate)

    def origins(self, latent: Tensor) -> Origins | None:
        """Where guesses stand in a latent that was restored; None: nowhere."""
        return None

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
            return self._compress(_EncodeJob(self, image, target.drop, verify, progress), target)

    def _compress(self, job: "_EncodeJob", target: Target) -> Encoded:
        quality_steps = (self.steps - 1) / 100
        if target.kind == "quality":
            step = round(target.value * quality_steps)
            return Encoded(job.file(step), step / quality_steps)
        if target.kind == "psnr":
            trial, warning = lowest_reaching(job.psnr, self.steps, target.value, "psnr (dB)")
        else:
            pixels = job.image.width * job.image.height
            ceiling = target.value if target.kind == "size" else target.value * pixels / 8
            what = f"{target.kind} {target.value:g}, in bytes"
            trial, warning = highest_below(job.size, self.steps, ceiling, what)
        return Encoded(trial.result, trial.step / quality_steps, (warning,) if warning else ())

    def decompress(
        self,
        reader: Reader,
        *,
        region: Region | None = None,
        partial: bool = False,
        progress: Progress | None = None,
    ) -> Image:
        """Decode a file or a region of it; see `ImageCodec.decompress`."""
        job = DecodeJob(self, reader, partial)
        box = region_box(region, reader.picture.width, reader.picture.height)
        with plain_float32():
            return job.picture(box, progress)

    @torch.inference_mode()
    def read_latents(self, reader: Reader) -> Tensor:
        """The dequantised latent [M, h, w] of a whole picture, without its synthesis."""
        job = DecodeJob(self, reader, partial=False)
        return job.latent()

    def check(self, reader: Reader, *, progress: Progress | None = None) -> None:
        """Decode all symbols and alpha, and make no pixels."""
        job = DecodeJob(self, reader, partial=False)
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
    def synthesise(self, latent: Tensor, rate: int, crop: Box) -> Pixels:
        """Pixels `crop` (relative to the latent's corner) of a latent: uint8 [H, W, 3]."""
        position = torch.tensor([rate % self.steps / (self.steps - 1)], device=self.device)
        planes = self.synthesis(latent, position)[0]
        rows, columns = crop.slices
        levels = ((planes[:, rows, columns] + 0.5) * 255).round_().clamp_(0, 255).nan_to_num_(0.0)
        pixels: Pixels = levels.to(torch.uint8).permute(1, 2, 0).contiguous().cpu().numpy()
        return pixels


class _EncodeJob:
    """One picture being encoded, at one or many rate steps."""

    def __init__(
        self,
        codec: TiledPictureCodec,
        image: Image,
        drop: int,
        verify: bool,
        progress: Progress | None,
    ) -> None:
        self.codec, self.image, self.verify, self.progress = codec, image, verify, progress
        self.dropping = codec.steps * drop
        if self.dropping >= codec.rates:
            most = codec.rates // codec.steps - 1
            raise OptionError(f"drop {drop}: codec {codec.name} leaves out {most} percent at most")
        limits = Limits()
        if max(image.width, image.height) > limits.max_side:
            raise InputError(f"{image.width}x{image.height}: sides end at {limits.max_side}")
        self.grid = TileGrid(image.width, image.height, TILE)
        self.latent: Tensor | None = None

    @torch.inference_mode()
    def file(self, step: int) -> bytes:
        """The whole file at a rate step, with words left out only if that makes it smaller."""
        payloads: dict[int, list[bytes]] = {step: [], step + self.dropping: []}
        for index in range(len(self.grid)):
            latent = self._analysed(index)
            for rate, tiles in payloads.items():
                tiles += self.codec.payloads(latent, rate, self.verify)
            if self.progress:
                self.progress(index + 1, len(self.grid))
        return min((self._packed(rate, tiles) for rate, tiles in payloads.items()), key=len)

    def _packed(self, rate: int, tiles: list[bytes]) -> bytes:
        media = ImageHeader(
            self.image.width,
            self.image.height,
            self.image.grey,
            self.grid.side,
            rate,
            self.codec.brief,
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

    def _analysed(self, index: int) -> Tensor:
        """The tile's latent; a picture of one tile keeps it from step to step."""
        if len(self.grid) > 1:
            return self.codec.analyse(self.image.colour, self.grid.box(index))
        if self.latent is None:
            self.latent = self.codec.analyse(self.image.colour, self.grid.box(0))
        return self.latent


def _squared_error(a: Pixels, b: Pixels) -> float:
    return float(np.square(a.astype(np.int32) - b).sum())
