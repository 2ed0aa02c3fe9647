"""Short payloads: shortest possible, exact, and refused when they are anything else."""

import itertools

import constriction
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ncodec.entropy import TOTAL
from ncodec.entropy.dense import DenseDecoder, DenseEncoder, code_lengths
from ncodec.errors import BitstreamError, CorruptFileError, EntropyDesyncError

Weights = NDArray[np.int32]


def distributions(
    n: int, m: int, seed: int, sharpness: int = 8
) -> tuple[NDArray[np.int32], Weights]:
    """`n` symbols drawn from `n` random distributions over 0..m-1."""
    random = np.random.default_rng(seed)
    weights = np.ceil(random.random((n, m)) ** sharpness * 2**18).astype(np.int32)
    draws = [random.choice(m, p=row / row.sum()) for row in weights]
    return np.array(draws, np.int32), weights


def encoded(symbols: NDArray[np.int32], weights: Weights) -> bytes:
    encoder = DenseEncoder()
    encoder.encode(symbols, weights.copy())
    return encoder.finish()


def decoded(payload: bytes, weights: Weights) -> NDArray[np.int32]:
    decoder = DenseDecoder(payload)
    symbols = decoder.decode(weights.copy())
    decoder.finish()
    return symbols


def counts_of(weights: Weights) -> NDArray[np.int64]:
    """What docs/payloads.md says of shares, in whole numbers."""
    rows = []
    for row in weights.astype(np.int64).tolist():
        sums = [0, *itertools.accumulate(row)]
        bounds = [total * (TOTAL - len(row)) // sums[-1] for total in sums]
        rows.append([b - a + 1 for a, b in itertools.pairwise(bounds)])
    return np.array(rows, np.int64).reshape(weights.shape)


def interval(symbols: NDArray[np.int32], weights: Weights) -> tuple[int, int, int]:
    """What the document says of the coder: the interval [low, high) of a number of `bits` bits."""
    low, width, bits = 0, (1 << 64) - 1, 64
    for symbol, row in zip(symbols.tolist(), counts_of(weights).tolist(), strict=True):
        part = width >> 24
        low, width = low + part * sum(row[:symbol]), part * row[symbol]
        if width < 1 << 32:
            low, width, bits = low << 32, width << 32, bits + 32
    return low, low + width, bits


def test_it_is_the_range_coder_of_the_other_codecs() -> None:
    """That one decodes what this one wrote."""
    for seed in range(20):
        symbols, weights = distributions(30, 300, seed)
        data = encoded(symbols, weights)[:-1]
        words = np.frombuffer(data + bytes(-len(data) % 4), ">u4").astype(np.uint32)
        decoder = constriction.stream.queue.RangeDecoder(words)
        family = constriction.stream.model.Categorical(perfect=False)
        extra = counts_of(weights) - 1.0
        np.testing.assert_array_equal(decoder.decode(family, extra), symbols)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 40), st.integers(2, 300), st.integers(0, 2**32), st.integers(1, 30))
def test_symbols_come_back_from_the_shortest_bytes_there_are(
    n: int, m: int, seed: int, sharpness: int
) -> None:
    symbols, weights = distributions(n, m, seed, sharpness)
    payload = encoded(symbols, weights)
    np.testing.assert_array_equal(decoded(payload, weights), symbols)
    low, high, bits = interval(symbols, weights)
    length = len(payload) - 1
    assert low <= int.from_bytes(payload[:-1], "big") << (bits - 8 * length) < high
    if length:
        unit = 1 << (bits - 8 * (length - 1))
        assert not low <= -(-low // unit) * unit < high


def test_the_ending_costs_half_a_byte() -> None:
    spent, needed = 0, 0.0
    for seed in range(200):
        symbols, weights = distributions(20, 100, seed)
        spent += len(encoded(symbols, weights)) - 1
        needed += code_lengths(symbols, weights).sum() / 8
    assert needed <= spent <= needed + 200 * 0.6


def test_the_longest_possible_code_comes_back() -> None:
    weights = np.tile(np.array([2**28 - 1, 1], np.int32), (500, 1))
    symbols = np.ones(500, np.int32)
    payload = encoded(symbols, weights)
    assert counts_of(weights[:1]).tolist() == [[TOTAL - 2, 2]]
    assert len(payload) == pytest.approx(500 * 23 / 8 + 1, abs=2)
    np.testing.assert_array_equal(decoded(payload, weights), symbols)


def test_carries_run_through_any_number_of_words() -> None:
    """Symbols at the very top of every interval, then one that may push the sum over."""
    for last in (0, 1, 2):
        for n in range(1, 60, 7):
            weights = np.tile(np.array([2**28 - 2, 1, 1], np.int32), (n + 1, 1))
            symbols = np.array([2] * n + [last], np.int32)
            np.testing.assert_array_equal(decoded(encoded(symbols, weights), weights), symbols)


def test_nothing_is_the_digest_alone() -> None:
    nothing = np.zeros((0, 5), np.int32)
    assert encoded(np.zeros(0, np.int32), nothing) == bytes(1)
    assert len(decoded(bytes(1), nothing)) == 0
    with pytest.raises(CorruptFileError):
        DenseDecoder(b"")


def test_every_truncation_and_every_longer_payload_is_refused() -> None:
    symbols, weights = distributions(30, 200, 1)
    payload = encoded(symbols, weights)
    changed = [payload[:n] for n in range(len(payload))]
    changed += [payload[:-1] + bytes(k) + payload[-1:] for k in range(1, 5)]
    for data in changed:
        with pytest.raises(BitstreamError):
            decoded(data, weights)


def test_a_flipped_bit_never_passes_as_the_same_and_seldom_at_all() -> None:
    symbols, weights = distributions(30, 200, 2)
    payload = encoded(symbols, weights)
    passed = 0
    for bit in range(8 * len(payload)):
        changed = bytearray(payload)
        changed[bit // 8] ^= 1 << bit % 8
        try:
            found = decoded(bytes(changed), weights)
        except BitstreamError:
            continue
        assert (found != symbols).any()
        passed += 1
    assert passed <= 3


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 20))
def test_random_bytes_raise_nothing_but_errors_of_the_bitstream(data: bytes, n: int) -> None:
    _, weights = distributions(n, 50, n)
    try:
        symbols = decoded(data, weights)
    except BitstreamError:
        return
    assert encoded(symbols, weights) == data


def test_shares_are_exact_however_large_the_weights() -> None:
    random = np.random.default_rng(0)
    weights = np.ceil(2 ** random.uniform(0, 18, (40, 1024))).astype(np.int32)
    weights[0], weights[1], weights[2, 5:] = 2**18, 1, 1
    for start in range(0, 1024, 40):
        symbols = np.arange(start, start + 40, dtype=np.int32) % 1024
        np.testing.assert_array_equal(decoded(encoded(symbols, weights), weights), symbols)
        low, high, bits = interval(symbols, weights)
        data = encoded(symbols, weights)[:-1]
        assert low <= int.from_bytes(data, "big") << (bits - 8 * len(data)) < high


def test_other_distributions_are_noticed() -> None:
    symbols, weights = distributions(30, 200, 3)
    _, others = distributions(30, 200, 4)
    with pytest.raises((EntropyDesyncError, CorruptFileError)):
        decoded(encoded(symbols, weights), others)
