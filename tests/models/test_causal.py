"""Causal layers: their state and their reach."""

import torch

from ncodec.models.causal import CausalStack


def test_the_state_is_what_the_layers_reach_back() -> None:
    torch.manual_seed(0)
    stack = CausalStack(8, 16, (1, 2)).requires_grad_(False)
    state = stack.initial_state(3)
    assert [tuple(part.shape) for part in state] == [(3, 2, 8), (3, 4, 8)]
    x = torch.randn(3, 20, 8)
    whole, _ = stack(x, state)
    changed = x.clone()
    changed[:, 5] += torch.randn(8)
    other, _ = stack(changed, state)
    differs = (whole != other).any(2).any(0)
    assert differs.nonzero().flatten().tolist() == list(range(5, 12))
