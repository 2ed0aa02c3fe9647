"""The sound codec's networks: streaming gives what whole sounds give, and nothing explodes."""

import pytest
import torch
from torch import Tensor

from ncodec.models.grvq import BLOCK, CODEBOOKS, DELAY, FRAME, LATENT, Decoder, Encoder, spectrum
from ncodec.models.spectra import BINS, OVERLAP, Analysis, Synthesis

FRAMES = 12


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    torch.manual_seed(0)
    return Encoder().requires_grad_(False)


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    torch.manual_seed(0)
    return Decoder().requires_grad_(False)


def encoded_in_steps(encoder: Encoder, sound: Tensor, size: int) -> Tensor:
    state, found = encoder.initial_state(len(sound)), []
    for piece in torch.split(sound, size, 1):
        latent, state = encoder.step(piece, state)
        found.append(latent)
    return torch.cat(found, 1)


@pytest.mark.parametrize("size", [FRAME, BLOCK, 3 * FRAME])
def test_encoding_in_steps_is_encoding_the_whole(encoder: Encoder, size: int) -> None:
    sound = 0.1 * torch.randn(2, FRAMES * FRAME)
    whole = encoder(sound)
    assert whole.shape == (2, FRAMES, LATENT)
    torch.testing.assert_close(encoded_in_steps(encoder, sound, size), whole, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_decoding_in_steps_is_decoding_the_whole(decoder: Decoder, size: int) -> None:
    latent = torch.randn(2, FRAMES, LATENT)
    counts = torch.randint(0, CODEBOOKS + 1, (2, FRAMES))
    whole = decoder(latent, counts)
    assert whole.shape == (2, FRAMES * FRAME)
    state, found = decoder.initial_state(2), []
    for part, number in zip(
        torch.split(latent, size, 1), torch.split(counts, size, 1), strict=True
    ):
        samples, state = decoder.step(part, number, state)
        found.append(samples)
    torch.testing.assert_close(torch.cat(found, 1), whole, atol=1e-4, rtol=1e-4)


def test_the_future_changes_no_code(encoder: Encoder) -> None:
    sound = 0.1 * torch.randn(1, FRAMES * FRAME)
    other = sound.clone()
    other[:, 4 * BLOCK :] = 0
    same = encoded_in_steps(encoder, sound, BLOCK) == encoded_in_steps(encoder, other, BLOCK)
    assert same[:, :8].all()
    assert not same[:, 8].all()


def test_blocks_of_one_size_give_the_same_bits_again(encoder: Encoder) -> None:
    sound = 0.1 * torch.randn(1, FRAMES * FRAME)
    first = encoded_in_steps(encoder, sound, BLOCK)
    assert torch.equal(first, encoded_in_steps(encoder, sound, BLOCK))


def test_analysis_and_synthesis_are_inverses() -> None:
    analysis, synthesis = Analysis(), Synthesis()
    sound = torch.randn(1, 10 * FRAME)
    spectra, _ = analysis(sound, analysis.initial_state(1))
    back, _ = synthesis(spectra, synthesis.initial_state(1))
    assert spectra.shape == (1, 20, BINS)
    torch.testing.assert_close(back[:, OVERLAP:], sound[:, :-OVERLAP], atol=1e-5, rtol=1e-5)
    assert DELAY == OVERLAP + FRAME


def test_no_latent_makes_the_decoder_explode(decoder: Decoder) -> None:
    counts = torch.full((1, FRAMES), CODEBOOKS)
    wild = decoder(1e6 * torch.randn(1, FRAMES, LATENT), counts)
    assert bool(wild.isfinite().all())
    made = torch.full((1, 4, 3, BINS), 1e9)
    assert float(spectrum(made).abs().max()) < 1e3


def test_a_click_and_silence_are_finite(encoder: Encoder) -> None:
    click = torch.zeros(2, FRAMES * FRAME)
    click[0, 1000] = 1.0
    assert bool(encoder(click).isfinite().all())


def test_the_number_of_codebooks_is_heard(decoder: Decoder) -> None:
    latent = torch.randn(1, FRAMES, LATENT)
    few, many = (decoder(latent, torch.full((1, FRAMES), n)) for n in (0, CODEBOOKS))
    assert not torch.allclose(few, many)
