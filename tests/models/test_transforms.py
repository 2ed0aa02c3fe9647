"""Convolutions to half of the size, of any shape and in both precisions."""

import pytest
import torch
import torch.nn.functional as F

from ncodec.models.transforms import Down


def spoil_memory() -> None:
    """Leave not-a-numbers in memory that is free, where a result may come to lie."""
    for power in range(6, 21):
        blocks = [torch.full((1 << power,), float("nan"), dtype=torch.bfloat16) for _ in range(8)]
        del blocks


@pytest.mark.parametrize("width", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("height", [1, 2, 19, 38])
def test_halving_reads_nothing_but_its_input(height: int, width: int) -> None:
    torch.manual_seed(0)
    layer = Down(128, 160).requires_grad_(False)
    x = torch.randn(1, 128, height, width)
    expected = F.conv2d(x, layer.weight, layer.bias, 2, 1)
    narrow = layer.to(torch.bfloat16)
    for _ in range(3):
        spoil_memory()
        found = narrow(x.to(torch.bfloat16)).float()
        torch.testing.assert_close(found, expected, atol=0.05, rtol=0.05)
