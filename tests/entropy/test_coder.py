import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from ncodec.entropy import MAX_MAGNITUDE, TOTAL, Decoder, Encoder, Tables, coder, ideal_bits, order
from ncodec.entropy.build import counted_tables, gaussian_tables, normalise
from ncodec.errors import BitstreamError, CorruptFileError, EntropyDesyncError, InputError

GAUSSIANS = gaussian_tables(n=8, scale_min=0.11, scale_max=60.0)
SCALES = np.geomspace(0.11, 60.0, 8)
EXTREMES = [0, 1, -1, 2, -5, 1000, -1000, MAX_MAGNITUDE, -MAX_MAGNITUDE]


def encoded(symbols: NDArray[np.int32], rows: NDArray[np.uint8], tables: Tables) -> bytes:
    encoder = Encoder()
    encoder.encode(symbols, rows, tables)
    return encoder.finish()


def latents(count: int, seed: int = 0) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    random = np.random.default_rng(seed)
    rows = np.minimum(random.geometric(0.4, count) - 1, 7).astype(np.uint8)
    return np.rint(random.normal(0, 1, count) * SCALES[rows]).astype(np.int32), rows


shapes = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=7)
symbols_and_rows = shapes.flatmap(
    lambda shape: st.tuples(
        hnp.arrays(
            np.int32,
            shape,
            elements=st.one_of(st.sampled_from(EXTREMES), st.integers(-(2**20), 2**20)),
        ),
        hnp.arrays(np.uint8, shape, elements=st.integers(0, 7)),
    )
)


@settings(deadline=None, max_examples=150)
@given(st.lists(symbols_and_rows, max_size=3))
def test_any_symbols_of_any_shape_come_back(
    calls: list[tuple[NDArray[np.int32], NDArray[np.uint8]]],
) -> None:
    encoder = Encoder()
    for symbols, rows in calls:
        encoder.encode(symbols, rows, GAUSSIANS)
    decoder = Decoder(encoder.finish())
    for symbols, rows in calls:
        decoded = decoder.decode(rows, GAUSSIANS)
        assert decoded.dtype == np.int32
        assert decoded.shape == symbols.shape
        assert (decoded == symbols).all()
    decoder.finish()


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_any_tables_code_any_of_their_symbols(data: st.DataObject) -> None:
    lengths = data.draw(st.lists(st.integers(2, 9), min_size=1, max_size=5))
    masses = [data.draw(hnp.arrays(np.float64, n, elements=st.floats(1e-9, 1e9))) for n in lengths]
    counts = np.zeros((len(lengths), 9), np.int32)
    for target, values in zip(counts, masses, strict=True):
        target[: len(values)] = normalise(values)
    low = data.draw(hnp.arrays(np.int32, len(lengths), elements=st.sampled_from([-(2**20), 0, 99])))
    tables = Tables(counts, low, np.array(lengths, np.int32))
    rows = data.draw(hnp.arrays(np.int64, 40, elements=st.integers(0, len(lengths) - 1)))
    near = data.draw(hnp.arrays(np.int32, 40, elements=st.integers(-3, 12)))
    symbols = np.clip(tables.low[rows] + near, -MAX_MAGNITUDE, MAX_MAGNITUDE)
    decoder = Decoder(encoded(symbols, rows.astype(np.uint8), tables))
    assert (decoder.decode(rows, tables) == symbols).all()
    decoder.finish()


@pytest.mark.parametrize("count", [0, 1, 100_000, 1_100_001])
def test_size_is_within_a_fifth_of_a_percent_of_the_ideal(count: int) -> None:
    symbols, rows = latents(count)
    payload = encoded(symbols, rows, GAUSSIANS)
    assert 8 * len(payload) <= ideal_bits(symbols, rows, GAUSSIANS) * 1.002 + 8 * (2 + 8)
    decoder = Decoder(payload)
    assert (decoder.decode(rows, GAUSSIANS) == symbols).all()
    decoder.finish()


def test_ideal_bits_is_exact_where_it_is_known() -> None:
    tables = Tables(
        np.array([[TOTAL // 2, TOTAL // 4, TOTAL // 4]], np.int32),
        np.array([0], np.int32),
        np.array([3], np.int32),
    )
    symbols = np.array([0, 1, 2, -1, 5], np.int32)  # the last three escape
    rows = np.zeros(5, np.uint8)
    distances_1_2_7 = (1 + 0) + (2 + 1) + (3 + 2)
    assert ideal_bits(symbols, rows, tables) == 1 + 2 + 3 * 2 + distances_1_2_7


def test_escapes_cost_what_ideal_bits_says() -> None:
    symbols = np.arange(-MAX_MAGNITUDE, MAX_MAGNITUDE + 1, 37, dtype=np.int32)
    rows = np.full(symbols.shape, 7, np.uint8)
    bits = 8 * len(encoded(symbols, rows, GAUSSIANS))
    assert bits == pytest.approx(ideal_bits(symbols, rows, GAUSSIANS), rel=1e-4)


def test_nothing_encodes_to_the_digest_alone() -> None:
    assert Encoder().finish() == bytes(2)
    Decoder(bytes(2)).finish()


def test_certain_symbols_are_nearly_free() -> None:
    assert len(encoded(np.zeros(1000, np.int32), np.zeros(1000, np.uint8), GAUSSIANS)) <= 2 + 4


def test_hundreds_of_rows_and_every_layout_of_memory_code_the_same() -> None:
    random = np.random.default_rng(3)
    tables = counted_tables(random.integers(0, 50, (700, 12)), low=-5)
    rows = random.integers(0, 700, (6, 20, 5))
    symbols = random.integers(-8, 9, rows.shape).astype(np.int32)
    payload = encoded(symbols, rows.astype(np.uint16), tables)
    encoder = Encoder()
    encoder.encode(np.asfortranarray(symbols).astype(np.int64), np.asfortranarray(rows), tables)
    assert encoder.finish() == payload
    wide = np.repeat(symbols.ravel(), 2)
    encoder = Encoder()
    encoder.encode(wide[::2], rows.ravel(), tables)
    assert encoder.finish() == payload
    assert (Decoder(payload).decode(np.asfortranarray(rows), tables) == symbols).all()


@pytest.mark.parametrize("shift", [0, 2**14, -(2**15), 2**20 - 300])
@pytest.mark.parametrize("far", [2**14 - 1, 2**14, 2**15, 2**20])
@pytest.mark.parametrize("used", [1, 8])
def test_pieces_and_narrow_types_are_no_part_of_the_format(
    shift: int, far: int, used: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    symbols, rows = latents(3000)
    rows = np.minimum(rows, np.uint8(used - 1))
    symbols = np.minimum(symbols + np.int32(shift), np.int32(2**20))
    symbols[::250] = far
    symbols[::251] = -far
    tables = Tables(GAUSSIANS.counts, GAUSSIANS.low + np.int32(shift), GAUSSIANS.length)
    payload = encoded(symbols, rows, tables)
    assert (Decoder(payload).decode(rows, tables) == symbols).all()
    for module, name, value in (
        (coder, "CACHED", 100),
        (order, "CACHED", 100),
        (order, "_PIECE", 64),
    ):
        monkeypatch.setattr(module, name, value)
    assert encoded(symbols, rows, tables) == payload
    assert (Decoder(payload).decode(rows, tables) == symbols).all()


def test_encoding_leaves_its_input_alone() -> None:
    symbols, rows = latents(1000)
    before = symbols.copy(), rows.copy()
    encoded(symbols, rows, GAUSSIANS)
    assert (symbols == before[0]).all()
    assert (rows == before[1]).all()


@pytest.mark.parametrize(
    ("symbols", "rows"),
    [
        (np.array([MAX_MAGNITUDE + 1]), np.array([0])),
        (np.array([-MAX_MAGNITUDE - 1]), np.array([0])),
        (np.array([-(2**63)]), np.array([0])),
        (np.array([0.0]), np.array([0])),
        (np.array([0]), np.array([0.0])),
        (np.array([0]), np.array([8])),
        (np.array([0]), np.array([-1])),
        (np.array([0, 1]), np.array([0])),
        (np.array([[0]]), np.array([0])),
        (np.zeros(0), np.zeros(0, int)),
    ],
)
def test_impossible_symbols_and_rows_are_refused(
    symbols: NDArray[np.int32], rows: NDArray[np.uint8]
) -> None:
    with pytest.raises(InputError):
        encoded(symbols, rows, GAUSSIANS)


@pytest.mark.parametrize("rows", [np.array([8]), np.array([-1]), np.array([0.5])])
def test_decoding_with_impossible_rows_is_refused(rows: NDArray[np.int64]) -> None:
    with pytest.raises(InputError):
        Decoder(bytes(2)).decode(rows, GAUSSIANS)


def decode_hostile(
    payload: bytes, rows: NDArray[np.uint8], tables: Tables = GAUSSIANS
) -> NDArray[np.int32] | None:
    """The symbols if a payload passes, None if it is refused; other errors propagate."""
    try:
        decoder = Decoder(payload)
        symbols = decoder.decode(rows, tables)
        assert symbols.shape == rows.shape
        assert symbols.dtype == np.int32
        assert np.abs(symbols).max() <= MAX_MAGNITUDE
        decoder.finish()
    except BitstreamError:
        return None
    return symbols


def test_every_truncation_is_noticed() -> None:
    symbols, rows = latents(900)
    payload = encoded(symbols, rows, GAUSSIANS)
    assert decode_hostile(payload, rows) is not None
    assert all(decode_hostile(payload[:n], rows) is None for n in range(len(payload)))


def test_a_flipped_bit_is_noticed_or_harmless() -> None:
    symbols, rows = latents(900)
    payload = encoded(symbols, rows, GAUSSIANS)
    for bit in range(8 * len(payload)):
        changed = bytearray(payload)
        changed[bit // 8] ^= 1 << bit % 8
        decoded = decode_hostile(bytes(changed), rows)
        # The lowest bits of the last word don't matter: the coder only needs a point in a range.
        unused = len(payload) - 6 <= bit // 8 < len(payload) - 2
        assert decoded is None or (unused and (decoded == symbols).all())


def test_data_left_over_is_noticed() -> None:
    symbols, rows = latents(900)
    payload = encoded(symbols, rows, GAUSSIANS)
    for extra in (bytes(4), bytes(400), bytes(11) + b"\1", b"\1" * 12):
        assert decode_hostile(payload[:-2] + extra + payload[-2:], rows) is None


def test_too_few_rows_leave_data_over() -> None:
    symbols, rows = latents(900)
    payload = encoded(symbols, rows, GAUSSIANS)
    with pytest.raises(EntropyDesyncError):
        Decoder(payload).finish()
    with pytest.raises(CorruptFileError, match="more data"):
        Decoder(payload[:-2] + bytes(2)).finish()


def test_other_tables_are_noticed() -> None:
    symbols, rows = latents(900)
    payload = encoded(symbols, rows, GAUSSIANS)
    others = gaussian_tables(n=8, scale_min=0.12, scale_max=60.0)
    assert decode_hostile(payload, rows, others) is None
    assert decode_hostile(payload, np.minimum(rows + np.uint8(1), np.uint8(7))) is None


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=400), hnp.arrays(np.uint8, 300, elements=st.integers(0, 7)))
def test_random_bytes_never_break_the_decoder(payload: bytes, rows: NDArray[np.uint8]) -> None:
    decode_hostile(payload + bytes(-(len(payload) - 2) % 4), rows)


def test_floods_of_escapes_never_break_the_decoder() -> None:
    escapes = Tables(
        np.array([[1, TOTAL - 1]], np.int32),
        np.array([MAX_MAGNITUDE - 5], np.int32),
        np.array([2], np.int32),
    )
    random = np.random.default_rng(5)
    for _ in range(200):
        payload = random.integers(0, 256, 4 * random.integers(0, 20) + 2, dtype=np.uint8)
        decode_hostile(payload.tobytes(), np.zeros(50, np.uint8), escapes)


def test_escaped_symbols_beyond_the_limit_are_refused() -> None:
    # The same distance from a row that lies higher: only the decoder can leave the range.
    lows = np.array([0, MAX_MAGNITUDE - 1], np.int32)
    counts = np.array([[1, TOTAL - 1]] * 2, np.int32)
    tables = Tables(counts, lows, np.array([2, 2], np.int32))
    payload = encoded(np.array([50], np.int32), np.array([0], np.uint8), tables)
    with pytest.raises(CorruptFileError, match="beyond"):
        Decoder(payload).decode(np.array([1], np.uint8), tables)


def test_bytes_are_the_same_for_ever() -> None:
    tables = Tables(
        np.array([[TOTAL - 12, 7, 5, 0], [TOTAL // 2, TOTAL // 4, TOTAL // 4 - 9, 9]], np.int32),
        np.array([0, -2], np.int32),
        np.array([3, 4], np.int32),
    )
    numbers = np.arange(1_100_000, dtype=np.int64) * 2_654_435_761 % 2**32
    rows = (numbers >> 31).astype(np.uint8)
    symbols = np.where(numbers % 97 == 0, numbers % 4001 - 2000, numbers % 5 - 2).astype(np.int32)
    payload = encoded(symbols, rows, tables)
    assert (
        hashlib.sha256(payload).hexdigest()
        == "57f5d14788bdec2668497e483a2b522d176a1f5edbf9b1b72b8a7fb26ff04f6f"
    )
    assert (Decoder(payload).decode(rows, tables) == symbols).all()


def test_a_short_stream_has_these_bytes() -> None:
    symbols = np.array([[0, 1, -1], [0, 300, 0]], np.int32)
    rows = np.zeros((2, 3), np.uint8)
    tables = Tables(
        np.array([[TOTAL // 4, TOTAL // 2, TOTAL // 8, TOTAL // 8]], np.int32),
        np.array([-1], np.int32),
        np.array([4], np.int32),
    )
    assert encoded(symbols, rows, tables).hex() == "5dfaef8d6139"
