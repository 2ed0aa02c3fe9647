"""Context networks: they learn what there is to learn, and their integers say the same."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ncodec.codecs.grvq_contexts import ContextModel
from ncodec.codecs.grvq_indices import Codes, IndexCoder
from ncodec.models.grvq import CODEBOOKS, ENTRIES, GROUP_SIZE
from ncodec.training import fit_contexts
from ncodec.training.fit_contexts import CHUNK, ContextNetworks, Windows, code_lengths, draw_windows


@pytest.fixture(scope="module")
def codewords() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randn(CODEBOOKS, ENTRIES, GROUP_SIZE).mul(30).round().clamp(-127, 127)


@pytest.fixture(scope="module")
def indices() -> torch.Tensor:
    """Codebook 0 holds its value for 5 frames, codebook 3 follows codebook 1, of 8 codes each."""
    random = np.random.default_rng(0)
    found = random.integers(0, 8, (3000, CODEBOOKS))
    found[:, 0] = np.repeat(found[::5, 0], 5)
    found[:, 3] = (found[:, 1] + 3) % 8
    return torch.from_numpy(found)


def test_a_fit_finds_what_repeats_and_keeps_it_in_integers(
    codewords: torch.Tensor, indices: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit_contexts, "STEPS", 30)
    monkeypatch.setattr(fit_contexts, "BATCH", 2)
    arrays = fit_contexts.fit(codewords, indices)
    arrays["quantiser/codewords"] = codewords.to(torch.int8).numpy()
    model = ContextModel(arrays)
    bits = integer_bits(model, indices[:CHUNK].numpy().astype(np.int16))
    assert bits[2] < 4.2
    assert bits[0] < 2.4
    assert bits[3] < 2


def integer_bits(model: ContextModel, chunk: NDArray[np.int16]) -> NDArray[np.float32]:
    """Mean bits of each codebook of a chunk under the exact model, [12]."""
    counts = np.full((1, CHUNK), CODEBOOKS, np.uint8)
    prices = IndexCoder(model).prices(Codes(chunk[None], counts))[0]
    bits: NDArray[np.float32] = prices.mean(axis=0)
    return bits


def test_windows_hide_what_lies_outside(codewords: torch.Tensor, indices: torch.Tensor) -> None:
    chunk = indices[None, :4]
    counts = torch.full((1, 4), CODEBOOKS)
    networks = ContextNetworks(codewords)
    apart = networks.inputs(Windows(chunk, counts, 2))
    alone = networks.inputs(Windows(chunk[:, 2:], counts[:, 2:], 2))
    together = networks.inputs(Windows(chunk, counts, 4))
    assert torch.equal(apart[:, 2:], alone)
    assert not torch.equal(together[:, 2:], alone)


def test_inputs_stop_at_each_frames_count(codewords: torch.Tensor, indices: torch.Tensor) -> None:
    counts = torch.tensor([[12, 2, 12]])
    networks = ContextNetworks(codewords)
    windows = Windows(indices[None, :3], counts, 3)
    inputs = networks.inputs(windows)
    words = codewords[torch.arange(CODEBOOKS), indices[1]]
    known = torch.cat((words[0], words[1]))
    assert torch.equal(inputs[10, 0, 128:256], known)
    assert torch.equal(inputs[10, 2, :128], known)
    nats = code_lengths(networks, windows)
    assert not nats[2:, 1].any()
    assert bool((nats[:, 0] > 0).all())


def test_drawn_windows_have_files_and_packets_and_changing_counts(indices: torch.Tensor) -> None:
    random = np.random.default_rng(0)
    drawn = [draw_windows(indices, 4, random) for _ in range(40)]
    assert {windows.size for windows in drawn} == {2, CHUNK}
    changing = [bool((w.counts.min(1).values < w.counts.max(1).values).any()) for w in drawn]
    assert 10 < sum(changing) < 40
