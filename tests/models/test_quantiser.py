"""Codebooks: residual layers, k-means, averages, and revivals that last."""

import pytest
import torch

from ncodec.models.quantiser import GroupResidualQuantiser, kmeans

GROUPS, LAYERS, ENTRIES, SIZE = 2, 3, 16, 4
FRAMES = 30


def started(seed: int = 0) -> GroupResidualQuantiser:
    torch.manual_seed(seed)
    quantiser = GroupResidualQuantiser(GROUPS, LAYERS, ENTRIES, SIZE)
    quantiser.start(torch.randn(800, GROUPS * SIZE))
    return quantiser


def counts(number: int) -> torch.Tensor:
    return torch.full((2, FRAMES), number)


def test_each_codebook_brings_the_values_nearer() -> None:
    quantiser = started()
    latent = torch.randn(2, FRAMES, GROUPS * SIZE)
    errors = [
        float((quantiser(latent, counts(n)).values - latent).square().mean())
        for n in range(GROUPS * LAYERS + 1)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] == pytest.approx(float(latent.square().mean()))
    assert errors[-1] < 0.3 * errors[0]


def test_values_are_sums_of_codewords() -> None:
    quantiser = started()
    latent = torch.randn(2, FRAMES, GROUPS * SIZE)
    result = quantiser(latent, counts(3))
    indices = result.indices.view(LAYERS * GROUPS, 2, FRAMES)
    books = quantiser.codebooks
    first = books[0][indices[0]] + books[2][indices[2]]
    second = books[1][indices[1]]
    torch.testing.assert_close(result.values, torch.cat((first, second), 2))


def test_unused_codebooks_count_for_nothing() -> None:
    quantiser = started()
    latent = torch.randn(2, FRAMES, GROUPS * SIZE)
    mixed = counts(0)
    mixed[0] = 5
    result = quantiser(latent, mixed)
    assert not result.values[1].any()
    assert torch.equal(result.values[0], quantiser(latent, counts(5)).values[0])


@pytest.mark.parametrize("layer", range(LAYERS))
def test_every_layers_commitment_reaches_the_latent(layer: int) -> None:
    """The loss of a layer is what the loss of one layer more adds."""
    quantiser = started()
    latent = torch.randn(2, FRAMES, GROUPS * SIZE, requires_grad=True)
    gradients = []
    for number in (layer * GROUPS, (layer + 1) * GROUPS):
        loss = quantiser(latent, counts(number)).commitment
        gradients.append(
            torch.autograd.grad(loss, latent)[0] if number else torch.zeros_like(latent)
        )
    added = gradients[1] - gradients[0]
    assert float(added.abs().mean()) > 1e-5
    assert bool((added.abs().sum(0) > 0).any(0).all())


def test_the_decoders_gradient_passes_straight_through() -> None:
    quantiser = started()
    latent = torch.randn(2, FRAMES, GROUPS * SIZE, requires_grad=True)
    weight = torch.randn(2, FRAMES, GROUPS * SIZE)
    loss = (quantiser(latent, counts(4)).values * weight).sum()
    assert torch.equal(torch.autograd.grad(loss, latent)[0], weight)


def test_kmeans_finds_clusters() -> None:
    torch.manual_seed(3)
    points = torch.cat([centre + 0.01 * torch.randn(50, 2) for centre in (-5.0, 0.0, 5.0)])
    centres, indices = kmeans(points, 8)
    assert sorted(set(centres[:, 0].round().tolist())) == [-5, 0, 5]
    assert float((centres[indices] - points).square().mean()) < 0.01
    few, _ = kmeans(torch.randn(3, 2), 8)
    assert few.shape == (8, 2)
    assert bool(few.isfinite().all())


def test_averages_move_codewords_to_what_they_stand_for() -> None:
    quantiser = started()
    target = torch.randn(GROUPS * SIZE)
    for _ in range(600):
        result = quantiser(target.expand(2, FRAMES, -1), counts(6))
        quantiser.follow(result.indices, result.residuals)
    torch.testing.assert_close(result.values[0, 0], target, atol=0.05, rtol=0.05)


def test_a_revived_code_survives_the_updates_that_follow() -> None:
    quantiser = started()
    dead = 5
    quantiser.usage[0, dead] = 0.0
    quantiser.sums[0, dead] = 0.0
    quantiser.codebooks[0, dead] = 0.0
    latent = torch.randn(2, FRAMES, GROUPS * SIZE)
    result = quantiser(latent, counts(6))
    quantiser.follow(result.indices, result.residuals)
    assert quantiser.revive(result.residuals) >= 1
    born = quantiser.codebooks[0, dead].clone()
    assert bool((result.residuals[0] == born).all(1).any())
    nothing = result.residuals[:, :0]
    for _ in range(20):
        quantiser.follow(result.indices[:, :0], nothing)
        quantiser.revive(result.residuals)
    torch.testing.assert_close(quantiser.codebooks[0, dead], born)


def test_a_revived_code_is_used() -> None:
    quantiser = started()
    quantiser.codebooks[0] = 100.0
    quantiser.usage[0] = 1e-4
    quantiser.usage[0, 0] = 50.0
    quantiser.sums[0] = quantiser.codebooks[0] * quantiser.usage[0, :, None]
    latent = torch.randn(2, FRAMES, GROUPS * SIZE)
    before = float(quantiser.perplexity()[0])
    for _ in range(100):
        result = quantiser(latent, counts(6))
        quantiser.follow(result.indices, result.residuals)
        quantiser.revive(result.residuals)
    assert before < 1.1
    assert float(quantiser.perplexity()[0]) > 8


def test_perplexity_of_even_use_is_the_number_of_codes() -> None:
    quantiser = started()
    quantiser.usage.fill_(3.0)
    assert quantiser.perplexity().tolist() == pytest.approx([ENTRIES] * GROUPS * LAYERS, rel=1e-4)


def test_the_state_holds_everything() -> None:
    quantiser, other = started(0), started(1)
    other.load_state_dict(quantiser.state_dict())
    latent = torch.randn(2, FRAMES, GROUPS * SIZE)
    for one in (quantiser, other):
        result = one(latent, counts(6))
        one.follow(result.indices, result.residuals)
    assert torch.equal(quantiser.codebooks, other.codebooks)
    assert int(other.started) == 1
