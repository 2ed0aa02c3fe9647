"""From pictures to words, painters and weights that encode and decode, in miniature."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from ncodec.codecs.base import Target
from ncodec.codecs.vqgan import VqganCodec
from ncodec.container import Reader
from ncodec.media import Image
from ncodec.models.vqgan import COMPONENTS, FEATURES, HALO_BLOCKS, STRIDE, Vqgan, colours, opponent
from ncodec.models.word_tree import NODES, STEPS, WORDS
from ncodec.training import export_vqgan, vqgan, vqgan_restart, vqgan_words
from ncodec.training.loop import Settings, Trainer
from ncodec.training.vqgan import Trained, VqganRecipe, lost_words, perplexity
from ncodec.training.vqgan_contexts import code_bits
from ncodec.training.vqgan_losses import Critic, combined, judge
from ncodec.training.vqgan_restart import finest
from tests.codecs.pictures import picture, psnr

CPU = torch.device("cpu")
SETTINGS = Settings(
    steps=4, anneal_steps=1, warmup_steps=1, batch=2, crop=192, report_every=1, compile=False,
    precision="fp32",
)  # fmt: skip


@pytest.fixture(scope="module")
def small() -> Iterator[pytest.MonkeyPatch]:
    """Few crops to fit to and to look at; painting from the third step on, judged in the last."""
    patch = pytest.MonkeyPatch()
    patch.setattr(vqgan_words, "BATCHES", 40)
    patch.setattr(vqgan_words, "ROUNDS", 1)
    patch.setattr(vqgan_words, "EXTRA", (60,))
    patch.setattr(vqgan_words, "LAST_ROUNDS", 1)
    patch.setattr(vqgan, "BLOCKS_ONLY", 0.3)
    patch.setattr(vqgan, "CRITIC_FROM", 0.4)
    patch.setattr(vqgan_restart, "CROPS", 60)
    patch.setattr(export_vqgan, "CROPS", 2)
    patch.setattr(export_vqgan, "CROP", 192)
    yield patch
    patch.undo()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("pictures")
    for seed in range(4):
        PIL.Image.fromarray(picture(330, 340, seed=seed)).save(place / f"{seed}.png")
    return place


@pytest.fixture(scope="module")
def run(small: pytest.MonkeyPatch, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("run")
    Trainer(VqganRecipe(data, SETTINGS, CPU), place, SETTINGS).run()
    return place


def test_exported_weights_encode_and_decode(run: Path) -> None:
    codec, source = VqganCodec(run / "vqgan.safetensors"), picture(150, 90)
    blobs = [codec.compress(Image(source), Target("quality", q), verify=True) for q in (0, 100)]
    figures = [psnr(codec.decompress(Reader(blob.data)).array, source) for blob in blobs]
    assert len(blobs[0].data) < len(blobs[1].data)
    assert 12 < figures[0] < figures[1]
    assert "4 steps" in (run / "vqgan.md").read_text()


def test_integer_contexts_cost_what_the_floating_ones_do(
    run: Path, data: Path, small: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    recipe = VqganRecipe(data, SETTINGS, CPU)
    Trainer(recipe, run, SETTINGS).resume()
    model = recipe.model.requires_grad_(False).eval()
    random = np.random.default_rng(0)
    export_vqgan.export(
        model, lambda n, size: recipe.data.batch(n, size, random), tmp_path / "vqgan.safetensors"
    )
    coder = VqganCodec(tmp_path / "vqgan.safetensors").coder
    planes = recipe.data.batch(1, 320, random)
    for step in (16, 96):
        words = recipe._words(planes, [step])[0]
        found = sum(float(coder.bits(words[first::2], step).sum()) for first in range(2))
        expected = float(code_bits(model.contexts, model.books, words, step))
        assert abs(found - expected) < 0.01 * expected


def test_a_run_goes_on_with_its_words(run: Path, data: Path, small: pytest.MonkeyPatch) -> None:
    longer = Settings(**{**vars(SETTINGS), "steps": 5})
    trainer = Trainer(VqganRecipe(data, longer, CPU), run, longer)
    trainer.resume()
    before = {k: v.clone() for k, v in trainer.recipe.model.state_dict().items()}
    trainer.run()
    after = trainer.recipe.model.state_dict()
    fitted = [k for k in before if k.startswith(vqgan.FITTED) or k.endswith("basis")]
    assert all(torch.equal(before[k], after[k]) for k in fitted)
    assert all(torch.equal(trainer.average[k], after[k]) for k in fitted)
    assert trainer.counters["step"] == 5


def test_a_run_starts_from_another_whose_rare_words_it_replaces(
    run: Path, data: Path, small: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    start = str(run / "latest.safetensors")
    settings = Settings(**{**vars(SETTINGS), "steps": 1, "start": start})
    recipe = VqganRecipe(data, settings, CPU)
    old = Trained()
    vqgan_restart.load(old, Path(start))
    kept = (finest(recipe.model)[:, None] == finest(old)).all(2).any(1)
    assert 0 < int((~kept).sum()) < WORDS // 2
    Trainer(recipe, tmp_path, settings).run()
    assert json.loads((tmp_path / "log.jsonl").read_text())["psnr"] > 0
    codec, source = VqganCodec(tmp_path / "vqgan.safetensors"), picture(64, 48)
    blob = codec.compress(Image(source), Target("quality", 100), verify=True)
    assert codec.decompress(Reader(blob.data)).array.shape == source.shape


def test_the_use_of_words_is_logged(run: Path) -> None:
    rows = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert all(1 < row["perplexity"] < WORDS for row in rows)
    assert perplexity(torch.tensor([[0, 5], [5, 0]])) == pytest.approx(2)
    assert perplexity(torch.full((3, 3), 7)) == pytest.approx(1)


def test_words_are_nested_and_finer_ones_are_nearer(run: Path, data: Path) -> None:
    recipe = VqganRecipe(data, SETTINGS, CPU)
    trainer = Trainer(recipe, run, SETTINGS)
    trainer.resume()
    books, encoder = recipe.model.books, recipe.model.vqgan.encoder
    planes = torch.from_numpy(picture(160, 160, seed=9)).permute(2, 0, 1)[None].float() / 255 - 0.5
    features = encoder(planes).permute(0, 2, 3, 1).flatten(0, 2)
    errors = []
    for step in (0, STEPS // 2, STEPS - 1):
        centroids = encoder.centroids[books.nodes[step, : books.size(step)]]
        errors.append(float(vqgan_words.distances(features, centroids).amin(1).mean()))
    assert errors[0] > errors[1] > errors[2]


def test_merging_keeps_weighted_means() -> None:
    generator = torch.Generator().manual_seed(0)
    centroids = torch.randn(WORDS, FEATURES, generator=generator)
    weights = torch.rand(WORDS, generator=generator) + 0.1
    tree, nodes, masses = vqgan_words.merged(vqgan_words.Clusters(centroids, weights))
    finest = nodes[torch.from_numpy(tree.nodes(WORDS)).long()]
    assert nodes.shape == (NODES, FEATURES)
    for size in (1, 2, 16, 500):
        coarse = torch.from_numpy(tree.coarse(size)).long()
        sums = torch.zeros(size, FEATURES).index_add(0, coarse, finest * masses[:, None])
        means = sums / torch.zeros(size).index_add(0, coarse, masses)[:, None]
        found = nodes[torch.from_numpy(tree.nodes(size)).long()]
        torch.testing.assert_close(found, means, atol=1e-4, rtol=1e-4)


def test_colours_come_back() -> None:
    planes = torch.rand(2, 3, 4, 4) - 0.5
    torch.testing.assert_close(colours(opponent(planes)), planes)


def test_pixels_depend_on_words_within_the_halo_only() -> None:
    torch.manual_seed(0)
    model = Vqgan().decoder.requires_grad_(False)
    model.embedding.normal_()
    nodes = torch.randint(NODES, (1, 1, 40))
    changed = nodes.clone()
    changed[..., 0] = (changed[..., 0] + 1) % NODES
    rate = torch.tensor([0.5])
    apart = (model(nodes, rate) - model(changed, rate)).abs().amax((0, 1, 2))
    assert apart[: 2 * STRIDE].max() > 1e-3
    assert apart[HALO_BLOCKS * STRIDE :].max() < 1e-7


def test_the_predictor_sees_what_is_known_only() -> None:
    torch.manual_seed(0)
    predictor = Vqgan().predictor.requires_grad_(False)
    nodes = torch.randint(NODES, (1, 21, 18))
    logits = predictor(nodes)
    assert logits.shape == (1, WORDS, 21, 18)
    nodes[0, 20, 17] = (nodes[0, 20, 17] + 1) % NODES
    changed = (predictor(nodes) - logits).abs().amax((0, 1))
    assert changed[20, 17] > 0
    assert bool(logits.isfinite().all())


def test_losses_of_words_are_of_all_kinds() -> None:
    random = np.random.default_rng(0)
    masks = [lost_words(torch.Size((20, 24)), random) for _ in range(60)]
    assert all(0 < int(mask.sum()) < mask.numel() for mask in masks)
    rows = [mask for mask in masks if bool(mask[0].all()) or bool(mask[1].all())]
    assert 5 < len(rows) < 30


def test_the_critic_has_a_bounded_say_and_learns_from_its_own_loss_alone() -> None:
    torch.manual_seed(0)
    critic, wanted = Critic(), torch.rand(2, 3, 32, 32) - 0.5
    made = (0.5 * wanted).requires_grad_(True)
    loss = (made - wanted).abs().mean()
    judged = judge(critic, made, wanted)
    own = torch.autograd.grad(loss, made, retain_graph=True)[0]
    both = combined(loss, made, judged.gradient, 0.2)
    torch.testing.assert_close((both - own).norm(), 0.2 * own.norm())
    assert all(parameter.grad is None for parameter in critic.parameters())
    torch.autograd.backward(judged.loss)
    assert made.grad is None
    assert all(parameter.grad is not None for parameter in critic.parameters())


def test_components_are_what_the_painter_starts_from(run: Path, data: Path) -> None:
    recipe = VqganRecipe(data, SETTINGS, CPU)
    Trainer(recipe, run, SETTINGS).resume()
    decoder = recipe.model.vqgan.decoder
    nodes = torch.arange(6).reshape(1, 2, 3)
    found = decoder.blocks(nodes, torch.tensor([1.0]))[1]
    known = decoder.embedding[nodes][..., :COMPONENTS].permute(0, 3, 1, 2)
    assert (found - known).square().mean() < 0.2 * known.square().mean()
