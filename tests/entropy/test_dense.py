"""Short payloads: shortest possible, exact, and refused when they are anything else."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ncodec.entropy import TOTAL
from ncodec.entropy.build import normalise
from ncodec.entropy.dense import DenseDecoder, DenseEncoder
from ncodec.errors import BitstreamError, CorruptFileError, EntropyDesyncError

Counts = NDArray[np.int64]


def distributions(
    n: int, m: int, seed: int, sharpness: int = 8
) -> tuple[NDArray[np.int32], Counts]:
    """`n` symbols drawn from `n` random distributions over 0..m-1."""
    random = np.random.default_rng(seed)
    masses = random.random((n, m)) ** sharpness
    counts = np.array([normalise(row) for row in masses], np.int64).reshape(n, m)
    draws = [random.choice(m, p=row / TOTAL) for row in counts]
    return np.array(draws, np.int32), counts


def encoded(symbols: NDArray[np.int32], counts: Counts) -> bytes:
    encoder = DenseEncoder()
    encoder.encode(symbols, counts - 1.0)
    return encoder.finish()


def decoded(payload: bytes, counts: Counts) -> NDArray[np.int32]:
    decoder = DenseDecoder(payload)
    symbols = decoder.decode(counts - 1.0)
    decoder.finish()
    return symbols


def interval(symbols: NDArray[np.int32], counts: Counts) -> tuple[int, int, int]:
    """What the document says, in whole numbers: the coder's interval [low, high) of `bits` bits."""
    low, width, bits = 0, (1 << 64) - 1, 64
    for symbol, row in zip(symbols.tolist(), counts.tolist(), strict=True):
        part = width >> 24
        low, width = low + part * sum(row[:symbol]), part * row[symbol]
        if width < 1 << 32:
            low, width, bits = low << 32, width << 32, bits + 32
    return low, low + width, bits


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 40), st.integers(2, 300), st.integers(0, 2**32), st.integers(1, 30))
def test_symbols_come_back_from_the_shortest_bytes_there_are(
    n: int, m: int, seed: int, sharpness: int
) -> None:
    symbols, counts = distributions(n, m, seed, sharpness)
    payload = encoded(symbols, counts)
    np.testing.assert_array_equal(decoded(payload, counts), symbols)
    low, high, bits = interval(symbols, counts)
    length = len(payload) - 1
    assert low <= int.from_bytes(payload[:-1], "big") << (bits - 8 * length) < high
    if length:
        unit = 1 << (bits - 8 * (length - 1))
        assert not low <= -(-low // unit) * unit < high


def test_the_ending_costs_half_a_byte() -> None:
    spent, needed = 0, 0.0
    for seed in range(200):
        symbols, counts = distributions(20, 100, seed)
        spent += len(encoded(symbols, counts)) - 1
        needed -= np.log2(counts[np.arange(20), symbols] / TOTAL).sum() / 8
    assert needed <= spent <= needed + 200 * 0.6


def test_the_longest_possible_code_comes_back() -> None:
    counts = np.full((500, 2), 1, np.int64)
    counts[:, 0] = TOTAL - 1
    symbols = np.ones(500, np.int32)
    payload = encoded(symbols, counts)
    assert len(payload) == pytest.approx(500 * 3 + 1, abs=2)
    np.testing.assert_array_equal(decoded(payload, counts), symbols)


def test_carries_run_through_any_number_of_words() -> None:
    """Symbols at the very top of every interval, then one that may push the sum over."""
    for last in (0, 1, 2):
        for n in range(1, 60, 7):
            counts = np.tile(np.array([[TOTAL - 2, 1, 1]], np.int64), (n + 1, 1))
            symbols = np.array([2] * n + [last], np.int32)
            np.testing.assert_array_equal(decoded(encoded(symbols, counts), counts), symbols)


def test_nothing_is_the_digest_alone() -> None:
    nothing = np.zeros((0, 5), np.int64)
    assert encoded(np.zeros(0, np.int32), nothing) == bytes(1)
    assert len(decoded(bytes(1), nothing)) == 0
    with pytest.raises(CorruptFileError):
        DenseDecoder(b"")


def test_every_truncation_and_every_longer_payload_is_refused() -> None:
    symbols, counts = distributions(30, 200, 1)
    payload = encoded(symbols, counts)
    changed = [payload[:n] for n in range(len(payload))]
    changed += [payload[:-1] + bytes(k) + payload[-1:] for k in range(1, 5)]
    for data in changed:
        with pytest.raises(BitstreamError):
            decoded(data, counts)


def test_a_flipped_bit_never_passes_as_the_same_and_seldom_at_all() -> None:
    symbols, counts = distributions(30, 200, 2)
    payload = encoded(symbols, counts)
    passed = 0
    for bit in range(8 * len(payload)):
        changed = bytearray(payload)
        changed[bit // 8] ^= 1 << bit % 8
        try:
            found = decoded(bytes(changed), counts)
        except BitstreamError:
            continue
        assert (found != symbols).any()
        passed += 1
    assert passed <= 3


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 20))
def test_random_bytes_raise_nothing_but_errors_of_the_bitstream(data: bytes, n: int) -> None:
    _, counts = distributions(n, 50, n)
    try:
        symbols = decoded(data, counts)
    except BitstreamError:
        return
    assert encoded(symbols, counts) == data


def test_other_distributions_are_noticed() -> None:
    symbols, counts = distributions(30, 200, 3)
    _, others = distributions(30, 200, 4)
    with pytest.raises((EntropyDesyncError, CorruptFileError)):
        decoded(encoded(symbols, counts), others)
