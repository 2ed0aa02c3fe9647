"""The integer networks of the codec `vqgan` tell what the trained ones do."""

import pytest
import torch

from ncodec.codecs.vqgan_contexts import VECTOR, VECTOR_BOUND
from ncodec.models.pyramid import NEIGHBOURS
from ncodec.training.export_vqgan import OCTAVE, _run, _twin
from ncodec.training.vqgan_contexts import ContextNetwork


@pytest.mark.parametrize("drift", [0.0, 1.0, 10.0])
@torch.inference_mode()
def test_what_all_logits_have_in_common_changes_nothing(drift: float) -> None:
    """By the context it may be hundreds of octaves, of which integers hold 64."""
    torch.manual_seed(0)
    network = ContextNetwork()
    for module in (network.first, network.second):
        module.weight.mul_(6)
    network.second.weight.add_(drift * torch.randn(network.second.weight.shape[1]))
    around = torch.randint(VECTOR_BOUND + 1, (2_000, NEIGHBOURS * VECTOR)).float()
    rate = torch.tensor([0.0])
    twin = _twin(network, _run(network, around[:1_000], rate))
    function = twin.at([twin.first.bias[0], twin.second.bias[0]])
    found = (function([around[1_000:]]) * (torch.tensor(2.0).log() / OCTAVE)).log_softmax(1)
    wanted = network(around[1_000:], rate).log_softmax(1)
    lost = (wanted.exp() * (wanted - found)).sum(1)
    assert lost.mean() < 0.005
