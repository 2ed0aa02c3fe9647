"""Speed and size of the entropy coder against compressai's rANS coder, on one core.

Synthetic latents under 64 Gaussian scales, most of them small, as in a trained hyperprior. Both
coders code the same symbols with tables of the same scales in the same run; the best of several
repetitions counts. compressai codes Python lists: its time is given without and with making them
(as its `EntropyModel.compress` and `decompress` do).

Run it pinned to one core: `taskset -c 0 python benchmarks/entropy_speed.py [--quick]`.
"""

import argparse
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ncodec.entropy import TOTAL, Decoder, Encoder, Tables, ideal_bits
from ncodec.entropy.build import gaussian_tables

T = TypeVar("T")
Symbols = NDArray[np.int32]
Rows = NDArray[np.uint8]


def latents(count: int, shape: float, spread: float) -> tuple[Symbols, Rows]:
    """Symbols `[count]` and their scale indexes, which follow a gamma distribution."""
    random = np.random.default_rng(0)
    rows = np.minimum(random.gamma(shape, spread, count), 63).astype(np.uint8)
    scales = np.geomspace(0.11, 256.0, 64)[rows]
    return np.rint(random.normal(0, 1, count) * scales).astype(np.int32), rows


def best(action: Callable[[], T], repetitions: int) -> tuple[float, T]:
    """The shortest time in seconds, and the result."""
    seconds = float("inf")
    for _ in range(repetitions):
        start = time.perf_counter()
        result = action()
        seconds = min(seconds, time.perf_counter() - start)
    return seconds, result


def measure_ncodec(symbols: Symbols, rows: Rows, tables: Tables, n: int) -> dict[str, float]:
    """Seconds and bytes of this package's coder."""

    def encode() -> bytes:
        encoder = Encoder()
        encoder.encode(symbols, rows, tables)
        return encoder.finish()

    def decode() -> Symbols:
        decoder = Decoder(payload)
        decoded = decoder.decode(rows, tables)
        decoder.finish()
        return decoded

    encode_s, payload = best(encode, n)
    decode_s, decoded = best(decode, n)
    if not np.array_equal(decoded, symbols):
        raise SystemExit("ncodec: the round trip failed")
    return {"encode": encode_s, "decode": decode_s, "bytes": len(payload)}


def measure_compressai(symbols: Symbols, rows: Rows, tables: Tables, n: int) -> dict[str, float]:
    """Seconds and bytes of compressai's rANS coder with 16-bit tables of the same scales."""
    from compressai._CXX import pmf_to_quantized_cdf
    from compressai.ans import RansDecoder, RansEncoder

    lengths = tables.length.tolist()
    masses = [(row[:n] / TOTAL).tolist() for row, n in zip(tables.counts, lengths, strict=True)]
    cdfs = [list(pmf_to_quantized_cdf(mass, 16)) for mass in masses]
    model = (cdfs, [len(cdf) for cdf in cdfs], tables.low.tolist())
    lists_s, (values, indexes) = best(lambda: (symbols.tolist(), rows.tolist()), n)
    encode_s, payload = best(lambda: RansEncoder().encode_with_indexes(values, indexes, *model), n)
    decode_s, decoded = best(lambda: RansDecoder().decode_with_indexes(payload, indexes, *model), n)
    array_s, array = best(lambda: np.array(decoded, np.int32), n)
    rows_s, _ = best(rows.tolist, n)
    if not np.array_equal(array, symbols):
        raise SystemExit("compressai: the round trip failed")
    times = {"encode": encode_s, "decode": decode_s, "bytes": float(len(payload))}
    return times | {"encode+": encode_s + lists_s, "decode+": decode_s + rows_s + array_s}


def compare(symbols: Symbols, rows: Rows, repetitions: int) -> None:
    """Print speeds, sizes and ratios for one set of latents."""
    tables, count = gaussian_tables(), symbols.size
    ideal = ideal_bits(symbols, rows, tables) / 8
    zeros, used = float(np.mean(symbols == 0)), len(np.unique(rows))
    print(f"{count} symbols, {zeros:.0%} zeros, {used} rows, {8 * ideal / count:.3f} bits/symbol")
    ours = measure_ncodec(symbols, rows, tables, repetitions)
    theirs = measure_compressai(symbols, rows, tables, repetitions)
    for name, result in (("ncodec", ours), ("compressai", theirs)):
        speeds = ", ".join(f"{way} {count / result[way] / 1e6:.1f}" for way in ("encode", "decode"))
        excess = result["bytes"] / ideal - 1
        print(f"  {name:10}  Msym/s: {speeds}; {excess:+.4%} over the ideal length")
    for way in ("encode", "decode"):
        bare, whole = theirs[way] / ours[way], theirs[f"{way}+"] / ours[way]
        print(f"  {way}: {bare:.1f} x compressai's coder, {whole:.1f} x with its lists")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the symbols, once")
    count, repetitions = (200_000, 1) if parser.parse_args().quick else (2_000_000, 5)
    for shape, spread in ((1.0, 4.0), (1.6, 8.0)):
        compare(*latents(count, shape, spread), repetitions)


if __name__ == "__main__":
    main()
