"""Wavelet packets with the CDF 9/7 filters, in one and two dimensions, and back.

Every band is split at every level (Coifman and Wickerhauser, "Entropy-based algorithms for best
basis selection", 1992): J levels make 2^J bands of an axis, each 2^J times shorter. At its ends a
signal goes on as its mirror image, so nothing is added and no edge appears. The filters are those
of JPEG 2000 (Cohen, Daubechies, Feauveau, "Biorthogonal bases of compactly supported wavelets",
1992), of gain sqrt(2): nearly orthonormal.

Up to `FUSED` levels are one linear map. It is banded, so blocks of an axis are multiplied by small
dense matrices: on a processor that is several times faster than level after level. All blocks but
the outer ones have the same matrix, and are multiplied by it in one call.
"""

from collections.abc import Iterator
from functools import lru_cache

import torch
from torch import Tensor

LIFTING = (-1.586134342059924, -0.052980118572961, 0.882911075530934, 0.443506852043971)
"""Predict, update, predict, update: Daubechies and Sweldens, 1998."""
LOW_GAIN, HIGH_GAIN = 2**0.5 / 1.230174104914001, -1.230174104914001 / 2**0.5
"""As PyWavelets has them, signs included."""
FUSED = 4
BLOCK = 64
"""Samples of an axis that one matrix makes, at least; no fewer than `FUSED` levels reach over."""
SLIM = 32
"""The same for the bands of pictures, where 3 levels or less reach over less."""
TINY = 1e-12
"""Numbers below this in a matrix are none: what rounding left, and slow as denormal numbers are."""


def packets_1d(x: Tensor, levels: int) -> Tensor:
    """[B, C, T] -> [B, C 2^levels, T / 2^levels]; T is a multiple of 2^levels.

    Channel c 2^levels + k is the band k of channel c, lowest frequencies first.
    """
    for done, part in _parts(levels):
        samples = _along(x, part, inverse=False)
        bands = samples.reshape(*x.shape[:2], -1, 1 << part).transpose(2, 3)
        x = _turned(bands, done).flatten(1, 2)
    return x


def inverse_1d(bands: Tensor, levels: int) -> Tensor:
    """Undo `packets_1d`."""
    x = bands
    for done, part in reversed(_parts(levels)):
        bands = _turned(x.reshape(len(x), -1, 1 << part, x.shape[2]), done)
        x = _along(bands.transpose(2, 3).flatten(2, 3), part, inverse=True)
    return x


def packets_2d(x: Tensor, levels: int) -> Tensor:
    """[B, C, H, W] -> [B, C 4^levels, H / 2^levels, W / 2^levels], up to `FUSED` levels.

    H and W are multiples of 2^levels. Channel (c 2^levels + v) 2^levels + u is the vertical band
    v and horizontal band u of channel c, lowest frequencies first. Lies channels last in memory.
    Has no gradient.
    """
    strips = strips_2d(x.permute(0, 2, 3, 1), levels)
    bands = torch.cat([strip.clone() for strip in strips], 1)
    return bands.permute(0, 1, 2, 4, 5, 3).flatten(3).permute(0, 3, 1, 2)


def strips_2d(x: Tensor, levels: int) -> Iterator[Tensor]:
    """The same of [B, H, W, C] in strips of some rows from the top: each stays in the cache.

    A strip is [B, h, w, 2^levels, C, 2^levels]: horizontal band, channel, vertical band. It must
    be used before the next one is asked for, which takes its memory. Pixels become float32 as they
    are.
    """
    block, runs = _slim(levels), _runs(x, 1, levels, inverse=False, block=_slim(levels))
    most = max(matrix.shape[1] + 3 * len(matrix) for _, _, matrix in runs)
    memory = runs[0][2].new_empty(most * len(x) * x.shape[2] * x.shape[3])
    for start, count, matrix in runs:
        strip = _Strip(x, levels, matrix, memory)
        for place in range(start, start + count * block, block):
            yield strip.of(x[:, place : place + matrix.shape[1]])


class _Strip:
    """The map of some rows [B, ., W, C] of pictures, in memory that is used again and again."""

    def __init__(self, x: Tensor, levels: int, matrix: Tensor, memory: Tensor) -> None:
        """Take a matrix [made, source] of the rows' axis, and memory for made three times."""
        (batch, _, width, channels), (made, source) = x.shape, matrix.shape
        self._matrix, side, size = matrix.T, 1 << levels, batch * width * channels
        self._rows = memory[: size * source].view(batch, source, width, channels)
        rest = memory[size * source : size * (source + 3 * made)].view(3, batch, width, -1)
        columns, spread, bands = rest.unbind()
        self._columns = columns.view(batch, width * channels, made)
        self._across = _across(columns, spread, levels)
        blocks = spread.view(batch, width // side, side, channels, made // side, side)
        self._sorted = blocks.permute(0, 4, 1, 2, 3, 5)
        self._bands = bands.view(self._sorted.shape)

    def of(self, rows: Tensor) -> Tensor:
        """The bands of rows, as `strips_2d` has them."""
        self._rows.copy_(rows)
        torch.matmul(self._rows.flatten(2).transpose(1, 2), self._matrix, out=self._columns)
        for matrix, windows, place in self._across:
            torch.matmul(matrix, windows, out=place)
        return self._bands.copy_(self._sorted)


def _across(x: Tensor, out: Tensor, levels: int) -> list[tuple[Tensor, Tensor, Tensor]]:
    """The products that make the map over the axis 1 of [B, W, .]: two factors, and their place."""
    block, done, found = _slim(levels), 0, list[tuple[Tensor, Tensor, Tensor]]()
    for start, count, matrix in _runs(x, 1, levels, inverse=False, block=block):
        made, source = matrix.shape
        windows = x[:, start : start + (count - 1) * block + source].unfold(1, source, block)
        place = out[:, done : done + count * made].view(len(out), count, made, -1)
        found.append((matrix, windows.transpose(2, 3), place))
        done += count * made
    return found


def _slim(levels: int) -> int:
    """Samples of an axis of a picture whose bands one matrix makes."""
    return max(SLIM, 4 << levels)


def inverse_2d(bands: Tensor, levels: int) -> Tensor:
    """Undo `packets_2d`."""
    (batch, _, height, width), side = bands.shape, 1 << levels
    blocks = bands.permute(0, 2, 3, 1).reshape(batch, height, width, -1, side, side)
    rows = blocks.permute(0, 3, 1, 4, 2, 5).reshape(batch, -1, height * side, width * side)
    samples = _along(rows, levels, inverse=True).flatten(0, 1)
    parts = [
        torch.matmul(matrix, samples[:, place : place + matrix.shape[1]])
        for start, count, matrix in _runs(samples, -2, levels, inverse=True)
        for place in range(start, start + count * BLOCK, BLOCK)
    ]
    return torch.cat(parts, 1).reshape(rows.shape)


def reach(levels: int) -> int:
    """Samples to each side that a block of 2^levels coefficients or samples depends on."""
    return 4 * ((1 << levels) - 1)


def lift(x: Tensor) -> tuple[Tensor, Tensor]:
    """One level over the last axis, of even length: the low and the high band, each half as long.

    Four lifting steps; a neighbour beyond an end is the one on the other side.
    """
    low, high = x[..., 0::2], x[..., 1::2]
    for predict, update in (LIFTING[:2], LIFTING[2:]):
        high = high + predict * (low + torch.cat([low[..., 1:], low[..., -1:]], -1))
        low = low + update * (high + torch.cat([high[..., :1], high[..., :-1]], -1))
    return low * LOW_GAIN, high * HIGH_GAIN


def _parts(levels: int) -> list[tuple[int, int]]:
    """Levels that are done, and those that are taken at once after them."""
    return [(done, min(FUSED, levels - done)) for done in range(0, levels, FUSED)]


def _turned(bands: Tensor, done: int) -> Tensor:
    """Every other band that was split before [B, K, bands, t] has its frequencies turned round."""
    if not done:
        return bands
    return torch.stack([bands[:, 0::2], bands[:, 1::2].flip(2)], 2).flatten(1, 2)


def _along(x: Tensor, levels: int, *, inverse: bool) -> Tensor:
    """The map over the last axis: 2^levels bands side by side in place of as many samples."""
    parts = [part.transpose(0, 1).flatten(1) for part in _products(x, levels, inverse=inverse)]
    return torch.cat(parts, 1).reshape(x.shape)


def _products(x: Tensor, levels: int, *, inverse: bool) -> Iterator[Tensor]:
    """The same in parts [blocks, ., made]; all that was before the last axis is one."""
    flat = x.reshape(-1, x.shape[-1])
    for start, count, matrix in _runs(x, -1, levels, inverse=inverse):
        width = matrix.shape[1]
        windows = flat[:, start : start + (count - 1) * BLOCK + width].unfold(1, width, BLOCK)
        yield torch.matmul(windows.transpose(0, 1), matrix.T)


def _runs(
    x: Tensor, axis: int, levels: int, *, inverse: bool, block: int = BLOCK
) -> list[tuple[int, int, Tensor]]:
    """The map over an axis as runs of blocks that have the same matrix [made, source].

    Of each run the place of the first source, and how many blocks it has; the next source starts
    `block` after it.
    """
    size, margin = x.shape[axis], 4 << levels
    short = size if size < 4 * block else 3 * block + size % block
    dtype = x.dtype if x.is_floating_point() else torch.float32
    whole = _matrix(short, levels, inverse, dtype, x.device)
    if size == short:
        return [(0, 1, whole)]
    end = size - (short - 2 * block)
    middle = whole[block : 2 * block, block - margin : 2 * block + margin]
    return [
        (0, 1, whole[:block, : block + margin]),
        (block - margin, end // block - 1, middle),
        (end - margin, 1, whole[2 * block :, 2 * block - margin :]),
    ]


@lru_cache(maxsize=64)
@torch.inference_mode(False)  # What is kept must also serve training.
def _matrix(
    size: int, levels: int, inverse: bool, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """The whole map over an axis of `size` samples, [size, size]."""
    bands = [torch.eye(size, dtype=torch.float64)]
    for _ in range(levels):
        # A high band has its frequencies turned round: those of its bands come the other way.
        pairs = [lift(band) for band in bands]
        bands = [b for i, pair in enumerate(pairs) for b in (pair if i % 2 == 0 else pair[::-1])]
    whole = torch.stack(bands, 2).flatten(1).T
    whole = torch.linalg.inv(whole) if inverse else whole
    return torch.where(whole.abs() < TINY, 0, whole).to(device, dtype).contiguous()
