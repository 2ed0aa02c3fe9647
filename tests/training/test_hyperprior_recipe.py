"""From pictures to weights that encode and decode, in miniature."""

import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from safetensors.numpy import load_file, save_file

from ncodec.codecs.base import Target
from ncodec.codecs.checkerboard import Checkerboard, as_columns, as_rows
from ncodec.codecs.hyperprior import HyperpriorCodec
from ncodec.codecs.hyperprior_scales import Residual, ScaleIndexes
from ncodec.codecs.registry import model_id
from ncodec.container import Reader
from ncodec.datasets.pictures import PictureCrops
from ncodec.errors import InputError, ModelMismatchError
from ncodec.media import Image
from ncodec.models.blocks import checkerboard
from ncodec.models.hyperprior import Hyperprior
from ncodec.models.rates import KNOTS, LOG_SCALE_STEP, SCALE_MIN, SCALES, logistic_bits, rate_lambda
from ncodec.training import export_hyperprior, linear_fit
from ncodec.training.exact_scales import exact_scales
from ncodec.training.export_hyperprior import export
from ncodec.training.hyperprior import HyperpriorRecipe
from ncodec.training.loop import LATEST, Settings, Trainer
from ncodec.training.restore_hyperprior import restore
from tests.codecs.pictures import picture, psnr

SETTINGS = Settings(
    steps=2, anneal_steps=1, warmup_steps=1, batch=2, crop=64, report_every=1, compile=False,
    precision="fp32",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("pictures")
    for seed, (width, height) in enumerate(((200, 150), (140, 160), (150, 140))):
        PIL.Image.fromarray(picture(width, height, seed=seed)).save(place / f"{seed}.png")
    return place


@pytest.fixture(scope="module")
def recipe(folder: Path) -> HyperpriorRecipe:
    """A recipe whose linear start was fitted to few blocks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(linear_fit, "FIT_CROPS", 40)
        return HyperpriorRecipe(folder, SETTINGS, torch.device("cpu"))


@pytest.fixture(scope="module")
def weights(recipe: HyperpriorRecipe, folder: Path, tmp_path_factory: pytest.TempPathFactory
            ) -> Path:  # fmt: skip
    """Two steps of training, then an export."""
    place = tmp_path_factory.mktemp("run")
    path, model = place / "weights.safetensors", Hyperprior()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("CALIBRATION_CROPS", 2), ("COUNTED_CROPS", 4), ("CROP", 64)):
            patch.setattr(export_hyperprior, name, value)
        Trainer(recipe, place, SETTINGS).run()
        model.load_state_dict(recipe.model.state_dict())
        export(model, recipe.data, path)
    return path


def test_two_steps_train_every_parameter(recipe: HyperpriorRecipe, weights: Path) -> None:
    assert (weights.parent / LATEST).exists()
    rows = [json.loads(x) for x in (weights.parent / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2]
    assert all(np.isfinite(list(row.values())).all() for row in rows)
    gradients = {name: p.grad for name, p in recipe.model.named_parameters()}
    missing = {name for name, gradient in gradients.items() if gradient is None}
    assert not missing


def test_the_linear_start_is_a_working_codec(recipe: HyperpriorRecipe) -> None:
    """Before any training the loss is that of a transform codec, not of random weights."""
    pixels = recipe.data.batch(2, 64, np.random.default_rng(0))
    with torch.no_grad():
        fine = recipe.model(pixels, torch.ones(2))
        coarse = recipe.model(pixels, torch.zeros(2))
    errors = [(out.pixels - pixels).square().mean() for out in (coarse, fine)]
    assert errors[1] < errors[0] < pixels.square().mean()
    assert fine.latent_bits.sum() > coarse.latent_bits.sum() > 0


def test_exported_weights_encode_and_decode(weights: Path) -> None:
    codec = HyperpriorCodec(weights)
    source = picture(70, 50)
    sizes, figures = [], []
    for quality in (10, 90):
        encoded = codec.compress(Image(source), Target("quality", quality), verify=True)
        sizes.append(len(encoded.data))
        figures.append(psnr(codec.decompress(Reader(encoded.data)).array, source))
    assert sizes[0] < sizes[1]
    assert 10 < figures[0] < figures[1]


def test_exact_scales_follow_the_float_ones(recipe: HyperpriorRecipe) -> None:
    """Within an index of the float network's, at anchors and at the others."""
    model = Hyperprior().requires_grad_(False)
    model.load_state_dict(recipe.model.state_dict())
    random = np.random.default_rng(3)
    for layer in (model.scale_prior.head, model.scale_prior.last):
        torch.nn.init.normal_(layer.weight, std=0.05)
    latents = [3 * torch.randn(1, 384, 8, 8) for _ in range(3)]
    arrays = exact_scales(model, latents, random)
    arrays["entropy/scale_offset"] = np.zeros((KNOTS, 384), np.int16)
    z = (model.hyper_analysis(latents[0]) * 64).round().long()
    anchors = torch.randint(-9, 10, (1, 384, 8, 8)) * checkerboard(latents[0])
    board = Checkerboard(8, 8, torch.device("cpu"))
    tile = ScaleIndexes(arrays).of_tile(z, 0, board)
    features = model.scale_prior.trunk(z / 64.0)
    log_scale = model.scale_prior.head(features)
    added = model.scale_prior.surprise(features, anchors.float())
    known = Residual.of(as_rows(board.anchors(anchors)).int().numpy())
    exact = board.place(as_columns(tile.anchors()), as_columns(tile.others(known)))
    expected = torch.where(checkerboard(anchors), log_scale, log_scale + added)
    index = ((expected - np.log(SCALE_MIN)) / LOG_SCALE_STEP).clamp(0, SCALES - 1)
    assert added.abs().mean() > 0.1
    assert (exact - index).abs().max() < 0.7


def test_training_goes_on_from_weights(recipe: HyperpriorRecipe, weights: Path) -> None:
    """A model restored from its weights file codes as the one that it was exported from."""
    restored = Hyperprior()
    restore(restored, weights)
    pixels = recipe.data.batch(2, 64, np.random.default_rng(1))
    rate = torch.tensor([0.3, 0.8])
    found = []
    for model in (recipe.model, restored):
        torch.manual_seed(0)
        with torch.no_grad():
            out = model(pixels, rate)
        error = (out.pixels - pixels).square().mean()
        found.append([out.latent_bits.sum(), out.hyper_bits.sum(), error])
    for before, after in zip(*found, strict=True):
        assert after.item() == pytest.approx(before.item(), rel=0.05)


def test_weights_that_are_not_whole_are_not_restored(weights: Path, tmp_path: Path) -> None:
    arrays = load_file(weights)
    biases = [name for name in arrays if name.startswith("model/synthesis") and "bias" in name]
    name = biases[0]
    for value in (None, arrays[name][:1], np.full_like(arrays[name], np.nan)):
        kept = {k: v for k, v in arrays.items() if k != name}
        changed = kept if value is None else {**kept, name: value}
        save_file(changed, tmp_path / "changed.safetensors", {"model_id": model_id(weights).hex()})
        with pytest.raises(ModelMismatchError, match="wrong or missing: synthesis"):
            restore(Hyperprior(), tmp_path / "changed.safetensors")


def test_exported_weights_state_their_model_id(weights: Path, folder: Path) -> None:
    assert HyperpriorCodec(weights).model_id == model_id(weights)[:4]
    assert [path.name for path in weights.parent.glob("*.tmp")] == []


def test_other_weights_do_not_read_the_files(weights: Path) -> None:
    codec = HyperpriorCodec(weights)
    data = codec.compress(Image(picture(20, 20)), Target("quality", 50)).data
    assert Reader(data).header.model_id == codec.model_id


def test_bits_are_those_of_a_distribution() -> None:
    values = torch.arange(-400, 401).float()
    for scale in (0.06, 1.0, 20.0):
        bits = logistic_bits(values, torch.full_like(values, np.log(scale)))
        assert torch.exp2(-bits).sum() == pytest.approx(1, abs=1e-3)
        assert bits.argmin() == 400
    far = torch.tensor([1e4], requires_grad=True)
    (slope,) = torch.autograd.grad(logistic_bits(far, torch.zeros(1)).sum(), far)
    assert 1 < slope.item() < 10


def test_lambda_is_log_uniform() -> None:
    low, middle, high = rate_lambda(torch.tensor([0.0, 0.5, 1.0])).tolist()
    assert middle**2 == pytest.approx(low * high)


def test_crops_come_from_the_pictures(folder: Path) -> None:
    data = PictureCrops(folder, 64)
    batch = data.batch(5, 64, np.random.default_rng(0))
    assert batch.shape == (5, 3, 64, 64)
    assert -0.5 <= float(batch.min()) < float(batch.max()) <= 0.5
    with pytest.raises(InputError, match="512 x 512"):
        PictureCrops(folder, 512)
