"""What stood where words are lost? A small masked transformer on the map of words."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ncodec.models.word_tree import WORDS

WIDTH, HEADS, LAYERS = 128, 4, 4
WINDOW = 16
"""Positions a side of the windows within which words attend to each other."""
HIDDEN = 2
FAR = -1e4


class Attention(nn.Module):
    """Self-attention within windows of 16x16 positions, with a bias for each offset.

    After Liu et al., "Swin Transformer" (ICCV 2021). Every other layer's windows are shifted by
    half their side, here by padding: no position attends to what is outside of the map.
    """

    offsets: Tensor

    def __init__(self, shifted: bool) -> None:
        super().__init__()
        self.shift = WINDOW // 2 if shifted else 0
        self.norm = nn.LayerNorm(WIDTH)
        self.project, self.leave = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.bias = nn.Parameter(torch.zeros((2 * WINDOW - 1) ** 2, HEADS))
        self.register_buffer("offsets", _offsets(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B, h, w, C] -> [B, h, w, C]."""
        height, width = x.shape[1:3]
        after = [-(n + self.shift) % WINDOW for n in (height, width)]
        padding = (0, 0, self.shift, after[1], self.shift, after[0])
        inside = F.pad(torch.ones_like(x[:1, :, :, :1]), padding)
        rows, columns = inside.shape[1] // WINDOW, inside.shape[2] // WINDOW
        outside = FAR * (1 - _windows(inside))[:, None, None, :, 0]
        bias = self.bias[self.offsets].permute(2, 0, 1) + outside.repeat(len(x), 1, 1, 1)
        parts = self.project(_windows(F.pad(self.norm(x), padding)))
        parts = parts.reshape(*parts.shape[:2], 3, HEADS, -1)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        found = F.scaled_dot_product_attention(query, key, value, bias.to(query.dtype))
        merged: Tensor = self.leave(found.transpose(1, 2).flatten(2))
        merged = merged.reshape(len(x), rows, columns, WINDOW, WINDOW, WIDTH).transpose(2, 3)
        whole = merged.reshape(len(x), rows * WINDOW, columns * WINDOW, WIDTH)
        top = self.shift
        return x + whole[:, top : top + height, top : top + width]


def _windows(x: Tensor) -> Tensor:
    """[B, 16m, 16n, C] -> [B m n, 256, C]."""
    batch, height, width, channels = x.shape
    split = x.reshape(batch, height // WINDOW, WINDOW, width // WINDOW, WINDOW, channels)
    return split.transpose(2, 3).reshape(-1, WINDOW**2, channels)


def _offsets() -> Tensor:
    """Which bias each pair of positions of a window takes: [256, 256]."""
    place = torch.arange(WINDOW)
    row, column = torch.meshgrid(place, place, indexing="ij")
    down = row.flatten()[:, None] - row.flatten() + WINDOW - 1
    right = column.flatten()[:, None] - column.flatten() + WINDOW - 1
    return down * (2 * WINDOW - 1) + right


class Mixer(nn.Module):
    """Two layers beside a skip, the first of them a convolution: it tells positions apart."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.first = nn.Conv2d(WIDTH, HIDDEN * WIDTH, 3, padding=1)
        self.second = nn.Conv2d(HIDDEN * WIDTH, WIDTH, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[B, h, w, C] -> [B, h, w, C]."""
        hidden = F.gelu(self.first(self.norm(x).permute(0, 3, 1, 2)))
        corrected: Tensor = x + self.second(hidden).permute(0, 2, 3, 1)
        return corrected


class Predictor(nn.Module):
    """Nodes of a map, some of them missing -> how likely each word is everywhere.

    After Chang et al., "MaskGIT" (CVPR 2022): a transformer that sees all that is known at once.
    """

    def __init__(self, missing: int) -> None:
        """Take the number of the node that stands where no word is known, the last one."""
        super().__init__()
        self.embedding = nn.Parameter(torch.randn(missing + 1, WIDTH) * 0.5)
        self.layers = nn.Sequential(
            *(part for i in range(LAYERS) for part in (Mixer(), Attention(i % 2 == 1)))
        )
        self.norm, self.leave = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WORDS)

    def forward(self, nodes: Tensor) -> Tensor:
        """Nodes [B, h, w] -> logits [B, 1024, h, w] over the finest words, in float32."""
        hidden = self.layers(F.embedding(nodes, self.embedding))
        logits: Tensor = self.leave(self.norm(hidden))
        return logits.float().permute(0, 3, 1, 2)
