"""Wavelet packets with the CDF 9/7 filters, in one and two dimensions, and back.

Every band is split at every level (Coifman and Wickerhauser, "Entropy-based algorithms for best
basis selection", 1992): J levels make 2^J bands of an axis, each 2^J times shorter. At its ends a
signal goes on as its mirror image, so nothing is added and no edge appears. The filters are those
of JPEG 2000 (Cohen, Daubechies, Feauveau, "Biorthogonal bases of compactly supported wavelets",
1992), of gain sqrt(2): nearly orthonormal.

Up to `FUSED` levels are one linear map. It is banded, so blocks of an axis are multiplied by small
dense matrices: on a processor that is several times faster than level after level.
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
    """
    return torch.cat(list(strips_2d(x, levels)), 2)


def strips_2d(x: Tensor, levels: int) -> Iterator[Tensor]:
    """The same in strips of some rows from the top: what is done with one stays in the cache."""
    (batch, channels, _, width), side = x.shape, 1 << levels
    # Pixels mostly lie channels last in memory: only what is in the cache is turned round.
    flat = x.permute(0, 2, 3, 1).flatten(2)
    for source, matrix in _blocks(x, -2, levels, inverse=False):
        strip = torch.bmm(matrix.expand(batch, -1, -1), flat[:, source])
        planes = strip.reshape(batch, -1, width, channels).permute(0, 3, 1, 2).contiguous()
        rows = _along(planes, levels, inverse=False)
        blocks = rows.reshape(batch, channels, -1, side, width // side, side)
        yield blocks.permute(0, 2, 4, 1, 3, 5).flatten(3).permute(0, 3, 1, 2)


def inverse_2d(bands: Tensor, levels: int) -> Tensor:
    """Undo `packets_2d`."""
    (batch, _, height, width), side = bands.shape, 1 << levels
    blocks = bands.permute(0, 2, 3, 1).reshape(batch, height, width, -1, side, side)
    rows = blocks.permute(0, 3, 1, 4, 2, 5).reshape(batch, -1, height * side, width * side)
    samples = _along(rows, levels, inverse=True).flatten(0, 1)
    parts = [
        torch.bmm(matrix.expand(len(samples), -1, -1), samples[:, source])
        for source, matrix in _blocks(samples, -2, levels, inverse=True)
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
    flat = x.reshape(-1, x.shape[-1])
    parts = [flat[:, source] @ matrix.T for source, matrix in _blocks(x, -1, levels, inverse)]
    return torch.cat(parts, 1).reshape(x.shape)


def _blocks(x: Tensor, axis: int, levels: int, inverse: bool) -> list[tuple[slice, Tensor]]:
    """Which samples of an axis make each block of the map, and how: matrices [made, source]."""
    size, margin = x.shape[axis], 4 << levels
    short = size if size < 4 * BLOCK else 3 * BLOCK + size % BLOCK
    whole = _matrix(short, levels, inverse, x.dtype, x.device)
    if size == short:
        return [(slice(0, size), whole)]
    end = size - (short - 2 * BLOCK)
    first = (slice(0, BLOCK + margin), whole[:BLOCK, : BLOCK + margin])
    middle = whole[BLOCK : 2 * BLOCK, BLOCK - margin : 2 * BLOCK + margin]
    last = (slice(end - margin, size), whole[2 * BLOCK :, 2 * BLOCK - margin :])
    starts = range(BLOCK, end, BLOCK)
    inner = [(slice(at - margin, at + BLOCK + margin), middle) for at in starts]
    return [first, *inner, last]


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
