"""Latents to indices, whatever the shape of the batch; counts at a price."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from ncodec.codecs.grvq_allocation import COSTS, allocate
from ncodec.codecs.grvq_contexts import CODEBOOKS, ContextModel
from ncodec.codecs.grvq_counts import step_bits
from ncodec.codecs.grvq_quantiser import Quantised, Quantiser, chosen, only

from .grvq_arrays import entropy_arrays

CODEWORDS = ContextModel(entropy_arrays()).codewords
SCALE = 0.02
QUANTISER = Quantiser(CODEWORDS, SCALE)


def latents(frames: int, size: float = 0.5) -> NDArray[np.float32]:
    random = np.random.default_rng(0)
    return random.normal(0, size, (frames, 128)).astype(np.float32)


@pytest.mark.parametrize("size", [0.5, 50.0])
def test_a_frame_alone_gets_the_same_indices_as_among_others(size: float) -> None:
    latent = latents(50, size)
    whole = QUANTISER.quantise(latent)
    for cut in (1, 2, 7):
        parts = [QUANTISER.quantise(latent[i : i + cut]) for i in range(0, 50, cut)]
        np.testing.assert_array_equal(np.concatenate([p.indices for p in parts]), whole.indices)
        np.testing.assert_allclose(
            np.concatenate([p.errors for p in parts]), whole.errors, rtol=1e-5, atol=1e-3
        )


def indices_of(found: Quantised, count: int) -> NDArray[np.int16]:
    return chosen(found.paths, np.full(len(found.paths), count, np.uint8))


def left_by(latent: NDArray[np.float32], found: Quantised, count: int) -> NDArray[np.float64]:
    counts = np.full(len(latent), count, np.uint8)
    rest = latent - QUANTISER.dequantise(indices_of(found, count), counts)
    left: NDArray[np.float64] = np.square(rest, dtype=np.float64).sum(axis=1)
    return left


def test_one_way_takes_the_nearest_codeword_in_every_layer() -> None:
    latent = latents(20)
    found = QUANTISER.quantise(latent, beam=1)
    for count in range(CODEBOOKS):
        rest = latent - QUANTISER.dequantise(found.indices, np.full(20, count, np.uint8))
        half = rest[:, count % 2 * 64 : count % 2 * 64 + 64]
        words = CODEWORDS[count, :1024] * SCALE
        distance = np.square(half[:, None] - words).sum(axis=2)
        picked = distance[np.arange(20), found.indices[:, count]]
        np.testing.assert_allclose(picked, distance.min(axis=1), atol=0.05)


@pytest.mark.parametrize("beam", [1, 4])
def test_errors_are_the_distances_that_remain(beam: int) -> None:
    latent = latents(20)
    found = QUANTISER.quantise(latent, beam)
    for count in range(CODEBOOKS + 1):
        np.testing.assert_allclose(found.errors[:, count], left_by(latent, found, count), atol=0.1)


def test_more_ways_come_nearer_at_every_count() -> None:
    latent = latents(60)
    plain, wide = QUANTISER.quantise(latent, beam=1), QUANTISER.quantise(latent, beam=4)
    np.testing.assert_allclose(wide.errors[:, :3], plain.errors[:, :3], rtol=1e-6)
    assert (wide.errors[:, 4:].mean(axis=0) < plain.errors[:, 4:].mean(axis=0)).all()


def test_paths_and_counts_give_indices() -> None:
    paths = np.arange(72, dtype=np.int16).reshape(1, 2, 6, 6)
    for count in range(1, CODEBOOKS + 1):
        (found,) = chosen(paths, np.array([count], np.uint8))
        for codebook in range(count):
            layers = (count + 1 - codebook % 2) // 2
            assert found[codebook] == paths[0, codebook % 2, layers - 1, codebook // 2]
    indices = np.arange(24, dtype=np.int16).reshape(2, 12)
    for count in range(CODEBOOKS + 1):
        counts = np.full(2, count, np.uint8)
        np.testing.assert_array_equal(chosen(only(indices), counts), indices)


def test_what_is_not_finite_or_huge_still_gets_indices() -> None:
    latent = latents(4)
    latent[0, 0], latent[1, 1], latent[2, 2], latent[3] = np.nan, np.inf, -np.inf, 1e30
    found = QUANTISER.quantise(latent)
    assert found.indices.min() >= 0
    assert found.indices.max() < 1024
    assert np.isfinite(found.errors).all()


def test_dequantise_goes_as_far_as_the_counts() -> None:
    indices = np.arange(24, dtype=np.int16).reshape(1, 2, 12)
    latent = QUANTISER.dequantise(indices, np.array([[0, 3]], np.uint8))
    assert latent.shape == (1, 2, 128)
    assert not latent[0, 0].any()
    first = (CODEWORDS[0, 12] + CODEWORDS[2, 14]) * np.float32(SCALE)
    np.testing.assert_allclose(latent[0, 1, :64], first, rtol=1e-6)
    np.testing.assert_allclose(latent[0, 1, 64:], CODEWORDS[1, 13] * np.float32(SCALE), rtol=1e-6)


@pytest.mark.parametrize("price", [0.0, 0.1, 0.4, 3.0])
def test_counts_are_the_cheapest_there_are(price: float) -> None:
    random = np.random.default_rng(1)
    errors = np.sort(random.uniform(0, 40, (2, 3, 13)).astype(np.float32), axis=2)[..., ::-1]
    steps = step_bits()

    def cost(row: int, counts: tuple[int, ...]) -> float:
        own = sum(errors[row, t, n] + price * COSTS[:n].sum() for t, n in enumerate(counts))
        return float(own + price * sum(steps[a, b] for a, b in itertools.pairwise(counts)))

    found = allocate(errors, np.zeros((2, 3), bool), price)
    for row in range(2):
        best = min(itertools.product(range(1, 13), repeat=3), key=lambda c: cost(row, c))
        assert cost(row, tuple(found[row].tolist())) == pytest.approx(cost(row, best))


def test_silent_frames_have_no_codebooks_and_the_others_have_one() -> None:
    errors, silent = np.zeros((1, 4, 13), np.float32), np.arange(4)[None] == 1
    assert allocate(errors, silent, 1.0).tolist() == [[1, 0, 1, 1]]
    assert allocate(errors[:, :0], silent[:, :0], 1.0).shape == (1, 0)
