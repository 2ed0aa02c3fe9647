"""Indices of a second to bytes and back: exact, short, refused when they are anything else."""

from typing import Any, TypeAlias

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ncodec.codecs.grvq_contexts import CODEBOOKS, ContextModel
from ncodec.codecs.grvq_counts import ANY, VARIED
from ncodec.codecs.grvq_indices import Codes, IndexCoder
from ncodec.errors import BitstreamError, ModelMismatchError

from .grvq_arrays import entropy_arrays

ARRAYS = entropy_arrays()
Change: TypeAlias = int | str | type[np.generic] | None
CODER = IndexCoder(ContextModel(ARRAYS))


def codes(channels: int, frames: int, count: int | None, seed: int = 0) -> Codes:
    """Random indices; `count` codebooks in all frames, or None for any number in each."""
    random = np.random.default_rng(seed)
    indices = random.integers(0, 1024, (channels, frames, CODEBOOKS)).astype(np.int16)
    if count is None:
        return Codes(indices, random.integers(0, 13, (channels, frames)).astype(np.uint8))
    return Codes(indices, np.full((channels, frames), count, np.uint8))


def decoded(payload: bytes, like: Codes, nominal: int) -> Codes:
    channels, frames = like.counts.shape
    return CODER.decode(payload, channels, frames, nominal)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 12, None])
@pytest.mark.parametrize("frames", [0, 1, 2, 50, 54])
def test_indices_and_counts_come_back(frames: int, count: int | None) -> None:
    given_codes = codes(2, frames, count)
    for nominal in (0, 6, VARIED, ANY):
        payload = CODER.encode(given_codes, nominal)
        assert decoded(payload, given_codes, nominal).same(given_codes)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3), st.integers(0, 9), st.integers(0, 2**32), st.integers(0, ANY))
def test_any_indices_come_back(channels: int, frames: int, seed: int, nominal: int) -> None:
    given_codes = codes(channels, frames, None, seed)
    payload = CODER.encode(given_codes, nominal)
    assert decoded(payload, given_codes, nominal).same(given_codes)


def reference_weights(
    indices: NDArray[np.int16], counts: NDArray[np.uint8], codebook: int, frame: int
) -> NDArray[np.int64]:
    """What docs/payloads.md says, in whole numbers, for one index."""
    words = ARRAYS["quantiser/codewords"].astype(np.int64)

    def sum_before(limit: int, at: int) -> NDArray[np.int64]:
        total = np.zeros(128, np.int64)
        if 0 <= at < len(counts):
            for j in range(min(limit, int(counts[at]))):
                total[j % 2 * 64 : j % 2 * 64 + 64] += words[j, indices[at, j]]
        return total.clip(-127, 127)

    k = codebook
    if k < 2:
        parts = [sum_before(2, frame - 2), sum_before(2, frame - 1), sum_before(k, frame)]
        last = np.zeros(64, np.int64)
    else:
        parts = [sum_before(k, frame - 1), sum_before(k, frame + 1), sum_before(k, frame)]
        last = words[k - 2, indices[frame, k - 2]]
    x = np.concatenate([*parts, last])
    first = ARRAYS["entropy/first"][k].astype(np.int64) @ x + ARRAYS["entropy/first_bias"][k]
    hidden = (first >> ARRAYS["entropy/first_shift"][k]).clip(0, 127)
    second = ARRAYS["entropy/second"][k].astype(np.int64) @ hidden
    outputs = second + ARRAYS["entropy/second_bias"][k]
    distance = (outputs.max() - outputs) >> ARRAYS["entropy/second_shift"][k]
    weights: NDArray[np.int64] = ARRAYS["entropy/exp2"][distance.clip(max=4095)].astype(np.int64)
    return weights


def test_prices_are_those_of_the_document() -> None:
    given_codes = codes(1, 7, None, seed=3)
    indices, counts = given_codes.indices[0], given_codes.counts[0]
    prices = CODER.prices(given_codes)[0]
    assert {0, 1, 2, 5, 11} <= {int(k) for k in np.nonzero(prices)[1]}
    for frame in range(7):
        for codebook in range(CODEBOOKS):
            if codebook >= counts[frame]:
                assert prices[frame, codebook] == 0
                continue
            weights = reference_weights(indices, counts, codebook, frame)
            bits = np.log2(weights.sum() / weights[indices[frame, codebook]])
            assert prices[frame, codebook] == pytest.approx(bits, abs=1e-3)


def test_the_size_is_what_the_prices_say() -> None:
    for seed in range(5):
        given_codes = codes(1, 50, 6, seed)
        payload = CODER.encode(given_codes, 6)
        ideal = float(CODER.prices(given_codes).sum()) / 8
        assert ideal + 1 <= len(payload) <= ideal + 1 + 1.2


def test_counts_that_all_frames_share_cost_next_to_nothing() -> None:
    steady = codes(1, 50, 6)
    expected = len(CODER.encode(steady, 6))
    assert len(CODER.encode(steady, VARIED)) <= expected + 1
    silent = codes(1, 50, 0)
    assert len(CODER.encode(silent, 0)) == 1
    assert len(CODER.encode(silent, 6)) <= 2


@pytest.mark.parametrize("limit", [1, 2, 5, 11])
def test_dropping_codebooks_is_coding_fewer(limit: int) -> None:
    whole = codes(2, 50, None, seed=5)
    again = decoded(CODER.encode(whole, VARIED), whole, VARIED).limited(limit)
    assert CODER.encode(again, VARIED) == CODER.encode(whole.limited(limit), VARIED)


@pytest.mark.parametrize("limit", [2, 5, 11])
def test_prices_do_not_depend_on_deeper_layers(limit: int) -> None:
    whole = codes(2, 50, None, seed=5)
    np.testing.assert_array_equal(
        CODER.prices(whole)[..., :limit], CODER.prices(whole.limited(limit))[..., :limit]
    )


def test_every_truncation_and_flipped_bit_is_refused_or_says_something_else() -> None:
    given_codes = codes(1, 3, 4)
    payload = CODER.encode(given_codes, 4)
    for length in range(len(payload)):
        with pytest.raises(BitstreamError):
            decoded(payload[:length], given_codes, 4)
    passed = 0
    for bit in range(8 * len(payload)):
        changed = bytearray(payload)
        changed[bit // 8] ^= 1 << bit % 8
        try:
            found = decoded(bytes(changed), given_codes, 4)
        except BitstreamError:
            continue
        assert not found.same(given_codes)
        passed += 1
    assert passed <= 3


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=40), st.integers(0, ANY), st.integers(0, 4))
def test_random_payloads_are_refused_or_the_encoders_own(
    payload: bytes, nominal: int, frames: int
) -> None:
    try:
        found = CODER.decode(payload, 1, frames, nominal)
    except BitstreamError:
        return
    assert CODER.encode(found, nominal) == payload


def test_other_weights_are_noticed() -> None:
    other = IndexCoder(ContextModel(entropy_arrays(seed=1)))
    given_codes = codes(1, 50, 6)
    with pytest.raises(BitstreamError):
        other.decode(CODER.encode(given_codes, 6), 1, 50, 6)


def changed(name: str, value: Change) -> dict[str, NDArray[Any]]:
    arrays = dict(ARRAYS)
    if value is None:
        del arrays[name]
    elif isinstance(value, type):
        arrays[name] = arrays[name].astype(value)
    elif value == "cut":
        arrays[name] = arrays[name][:-1]
    else:
        arrays[name] = arrays[name].copy()
        arrays[name].flat[0] = value
    return arrays


@pytest.mark.parametrize("name", [*ARRAYS])
@pytest.mark.parametrize("value", [None, np.float64, "cut"])
def test_missing_arrays_and_wrong_types_are_a_mismatch(
    name: str, value: int | str | type[np.generic] | None
) -> None:
    if name == "quantiser/scale":
        return  # Read by the codec itself.
    with pytest.raises(ModelMismatchError, match=name):
        ContextModel(changed(name, value))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("quantiser/codewords", -128),
        ("entropy/first", -128),
        ("entropy/second", -128),
        ("entropy/first_bias", 2**22 + 1),
        ("entropy/second_bias", -(2**22) - 1),
        ("entropy/first_shift", 25),
        ("entropy/second_shift", -1),
        ("entropy/exp2", 0),
        ("entropy/exp2", 2**18 + 1),
    ],
)
def test_values_that_would_not_be_exact_are_a_mismatch(name: str, value: int) -> None:
    with pytest.raises(ModelMismatchError, match=name):
        ContextModel(changed(name, value))


def test_the_largest_values_are_still_exact() -> None:
    """All at their bounds, every sum in float32 against whole numbers."""
    random = np.random.default_rng(0)
    arrays = dict(ARRAYS)
    for name in ("quantiser/codewords", "entropy/first", "entropy/second"):
        signs = random.choice([-127, 127], ARRAYS[name].shape)
        arrays[name] = signs.astype(np.int8)
    arrays["entropy/first"] = np.where(arrays["entropy/first"] > 0, 127, 126).astype(np.int8)
    for name in ("entropy/first_bias", "entropy/second_bias"):
        arrays[name] = np.where(ARRAYS[name] > 0, 2**22, 2**22 - 1).astype(np.int32)
    model = ContextModel(arrays)
    totals = np.full((3, 128), 900.0)
    sums = model.deeper_layer(5, totals, np.array([1, 2, 3]))
    words = arrays["quantiser/codewords"].astype(np.int64)
    x = np.full((3, 448), 127, np.int64)
    x[0, :128] = x[2, 128:256] = 0
    x[:, 384:] = words[3, [1, 2, 3]]
    exact = x @ arrays["entropy/first"][5].astype(np.int64).T + arrays["entropy/first_bias"][5]
    np.testing.assert_array_equal(sums.astype(np.int64), exact)
    hidden = (exact >> 4).clip(0, 127)
    second = arrays["entropy/second"][5].astype(np.int64)
    outputs = hidden @ second.T + arrays["entropy/second_bias"][5]
    distance = (outputs.max(1, keepdims=True) - outputs) >> 5
    weights = ARRAYS["entropy/exp2"][distance.clip(max=4095)]
    np.testing.assert_array_equal(model.weights(5, sums), weights)
