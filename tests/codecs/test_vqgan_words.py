"""Maps of words to payloads and back."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ncodec.api import Codec
from ncodec.codecs.vqgan_contexts import ContextModel, coarser, grid_of, last_pass
from ncodec.codecs.vqgan_rate import MAX_DROP, RATES, Rate
from ncodec.codecs.vqgan_words import WordCoder
from ncodec.entropy.dense import MAX_SUM
from ncodec.errors import BitstreamError, EntropyDesyncError
from ncodec.models.word_tree import STEPS

from .arithmetic import arithmetic
from .test_vqgan import engine_of
from .vqgan_weights import all_arrays

CODER = WordCoder(ContextModel(all_arrays()))
"""Fixtures and hypothesis do not mix."""
sides = st.integers(1, 12)
steps = st.sampled_from([0, 1, 15, 16, 50, 95, 96])


def words_of(rows: int, width: int, rate: Rate, seed: int) -> torch.Tensor:
    """A map of any words, of which about as many are left out as the rate says."""
    random = np.random.default_rng(seed)
    size = CODER.contexts.codebook(rate.step).size
    words = torch.from_numpy(random.integers(0, size, (rows, width)))
    gone = torch.from_numpy(random.random((rows, width)) < rate.left_out / MAX_DROP)
    words[gone & last_pass(rows, width)] = size
    return words


@settings(max_examples=60, deadline=None)
@given(sides, sides, steps, st.sampled_from([0, 1, 30, MAX_DROP]), st.integers(0, 99))
def test_words_come_back(rows: int, width: int, step: int, left_out: int, seed: int) -> None:
    rate = Rate(step, left_out)
    words = words_of(rows, width, rate, seed)
    payload = CODER.encode(words, rate)
    assert torch.equal(CODER.decode(payload, (rows, width), rate), words)
    CODER.verify(payload, words, rate)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60), steps, st.sampled_from([0, 30]), sides)
def test_random_payloads_are_refused(data: bytes, step: int, left_out: int, rows: int) -> None:
    """But for the few that an encoder might have written."""
    rate = Rate(step, left_out)
    try:
        words = CODER.decode(data, (rows, 5), rate)
    except BitstreamError:
        return
    assert CODER.encode(words, rate) == data


def test_rates_are_numbers_of_a_header() -> None:
    rates = [Rate.of(number) for number in range(RATES)]
    assert [rate.number for rate in rates] == list(range(RATES))
    assert max(rate.left_out for rate in rates) == MAX_DROP
    assert {rate.quality for rate in rates} == {100 * step / 96 for step in range(STEPS)}


def test_files_that_leave_nothing_out_have_no_flags() -> None:
    words = words_of(9, 12, Rate(96, 0), 1)
    whole, flagged = (CODER.encode(words, Rate(96, left_out)) for left_out in (0, 25))
    assert len(whole) < len(flagged)
    bits = float(CODER.bits(words, 96).sum())
    assert 0 <= 8 * (len(whole) - 1) - bits < 8


@pytest.mark.parametrize("left_out", [10, 25, 40])
def test_flags_cost_little_where_words_are_left_out_together(left_out: int) -> None:
    """As many are left out of both maps, and words that are there are alike."""
    rate, size = Rate(0, left_out), CODER.contexts.codebook(0).size
    together, scattered = (torch.zeros(32, 64, dtype=torch.int64) for _ in range(2))
    allowed = last_pass(32, 64).flatten().nonzero()[:, 0]
    mixed = allowed[torch.randperm(1024, generator=torch.Generator().manual_seed(0))]
    count = 1024 * left_out // MAX_DROP
    together.view(-1)[allowed[:count]], scattered.view(-1)[mixed[:count]] = size, size
    first, second = (8 * len(CODER.encode(words, rate)) for words in (together, scattered))
    assert first < second - 0.4 * 1024


def test_nothing_is_flagged_where_all_that_may_be_is_left_out() -> None:
    rate, size = Rate(50, MAX_DROP), CODER.contexts.codebook(50).size
    words = words_of(9, 12, rate, 3)
    assert int((words == size).sum()) == 9 * 12 // 2
    plain = torch.where(words == size, size - 1, words)
    saved = float(CODER.bits(plain, 50)[words == size].sum())
    left = len(CODER.encode(plain, Rate(50, 0))) - len(CODER.encode(words, rate))
    assert abs(8 * left - saved) <= 8


def test_nearness_and_bits_are_weighed_by_the_slope() -> None:
    random = torch.Generator().manual_seed(0)
    distances = torch.rand(8, 9, CODER.contexts.codebook(40).size, generator=random)
    costs, losses = [], []
    for slope in (0.0, 0.02, 0.2, 1e6):
        words = CODER.choose(distances, slope, 40)
        costs.append(float(CODER.bits(words, 40).sum()))
        losses.append(float(distances.gather(2, words[..., None]).sum()))
    assert costs == sorted(costs, reverse=True)
    assert losses == sorted(losses)
    nearest = CODER.choose(distances, 0.0, 40)
    assert torch.equal(nearest, distances.argmin(2))


@pytest.mark.parametrize("step", [0, 7, 48, 90, 96])
def test_every_word_has_a_share(step: int) -> None:
    book = CODER.contexts.codebook(step)
    grid = grid_of(8, 8)
    words = words_of(8, 8, Rate(step, 20), 3).flatten()[grid.order]
    for part in grid.passes:
        weights = book.weights(part, words)
        assert weights.shape == (part.stop - part.start, book.size)
        assert weights.min() >= 1
        assert weights.sum(1, dtype=np.int64).max() <= MAX_SUM


def test_a_coarser_map_has_the_words_that_finer_ones_came_from() -> None:
    fine, middle, rough = (CODER.contexts.codebook(step) for step in (96, 50, 0))
    words = words_of(8, 8, Rate(96, 20), 2)
    direct = coarser(words, fine, rough)
    assert torch.equal(direct, coarser(coarser(words, fine, middle), middle, rough))
    assert torch.equal(direct == rough.size, words == fine.size)
    assert torch.equal(coarser(words, fine, fine), words)


def test_a_coder_that_decodes_otherwise_is_found_out() -> None:
    words = words_of(6, 6, Rate(96, 0), 5)
    payload = CODER.encode(words, Rate(96, 0))
    with pytest.raises(EntropyDesyncError):
        CODER.verify(payload, words.flip(0), Rate(96, 0))
    with pytest.raises(BitstreamError):
        CODER.decode(payload, (6, 6), Rate(95, 0))


def test_tables_do_not_depend_on_threads_or_precision(vqgan: Codec) -> None:
    coder, words = engine_of(vqgan).coder, words_of(20, 31, Rate(77, 10), 4)
    before = coder.encode(words, Rate(77, 10))
    torch.set_float32_matmul_precision("medium")
    try:
        for count, onednn in ((1, True), (3, False)):
            with arithmetic(count, onednn), torch.autocast("cpu", torch.bfloat16):
                assert coder.encode(words, Rate(77, 10)) == before
    finally:
        torch.set_float32_matmul_precision("highest")
