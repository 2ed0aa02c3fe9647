"""From pictures and sounds to weights that encode and decode, in miniature."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from ncodec.codecs.base import Target
from ncodec.codecs.rate_steps import KNOT_STEPS
from ncodec.codecs.registry import model_id
from ncodec.codecs.walloc import WallocPictures
from ncodec.codecs.walloc_latents import LatentCoder
from ncodec.codecs.walloc_sound import WallocSounds
from ncodec.codecs.weights import read_weights
from ncodec.container import Reader
from ncodec.errors import ModelError
from ncodec.media import Audio, Image, save_audio
from ncodec.models.pyramid import pyramid
from ncodec.models.rates import KNOTS, LOG_SCALE_STEP, SCALE_MIN, SCALES
from ncodec.models.walloc import Walloc, gathered
from ncodec.models.walloc_medium import PICTURE, SOUND, Medium, network_sizes
from ncodec.training import export_walloc, walloc, walloc_fill
from ncodec.training.loop import Settings, Trainer
from ncodec.training.restore_walloc import restore
from ncodec.training.walloc import PictureRecipe, SoundRecipe, WallocRecipe
from tests.codecs.pictures import picture, psnr
from tests.codecs.sounds import samples
from tests.codecs.walloc_weights import model_of, pictures, sounds

CPU = torch.device("cpu")
SETTINGS = Settings(
    steps=2, anneal_steps=1, warmup_steps=1, batch=2, crop=64, report_every=1, compile=False,
    precision="fp32",
)  # fmt: skip


@pytest.fixture(scope="module")
def small() -> Iterator[pytest.MonkeyPatch]:
    """Few crops to fit and to count."""
    patch = pytest.MonkeyPatch()
    patch.setattr(walloc, "START_BATCHES", 8)
    patch.setattr(walloc, "SHORTEST", 8192)
    patch.setattr(export_walloc, "CALIBRATION_CROPS", 2)
    patch.setattr(export_walloc, "COUNTED_CROPS", 3)
    patch.setattr(export_walloc, "CHANNEL_CROPS", 1)
    patch.setattr(walloc_fill, "CROPS", 2)
    yield patch
    patch.undo()


def run(recipe: WallocRecipe, place: Path) -> Path:
    """Two steps of training, then an export."""
    Trainer(recipe, place, SETTINGS).run()
    path = place / f"walloc_{recipe.medium.name}.safetensors"
    assert len(model_id(path)) == 32
    assert "2 steps" in path.with_suffix(".md").read_text()
    return path


@pytest.fixture(scope="module")
def image_weights(small: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("pictures")
    for seed, (width, height) in enumerate(((200, 150), (140, 160), (150, 140))):
        PIL.Image.fromarray(picture(width, height, seed=seed)).save(place / f"{seed}.png")
    return run(PictureRecipe(place, SETTINGS, CPU), tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def audio_weights(small: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("sounds")
    for kind, channels in (("music", 2), ("speech", 1)):
        (place / kind).mkdir()
        for seed in range(2):
            sound = Audio(samples(40_000, channels, 32_000, seed), 32_000)
            with (place / kind / f"{seed}.wav").open("wb") as file:
                save_audio(sound, file, "WAV")
    return run(SoundRecipe(place, SETTINGS, CPU), tmp_path_factory.mktemp("run"))


def test_exported_picture_weights_encode_and_decode(image_weights: Path) -> None:
    codec, source = WallocPictures(image_weights), picture(150, 90)
    blobs = [codec.compress(Image(source), Target("quality", q), verify=True) for q in (20, 90)]
    figures = [psnr(codec.decompress(Reader(blob.data)).array, source) for blob in blobs]
    assert len(blobs[0].data) < len(blobs[1].data)
    assert 22 < figures[0] < figures[1]


def test_exported_sound_weights_encode_and_decode(audio_weights: Path) -> None:
    codec, source = WallocSounds(audio_weights), Audio(samples(50_000, 2, 44_100), 44_100)
    blob = codec.compress(source, Target("quality", 90), verify=True)
    error = codec.decompress(Reader(blob.data)).array - source.array
    assert np.square(error).sum() < 0.1 * np.square(source.array).sum()


@pytest.mark.parametrize("medium", [PICTURE, SOUND], ids=["pictures", "sounds"])
def test_training_goes_on_from_weights(
    medium: Medium, small: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A model restored from its weights file codes as the one that it was exported from."""
    draw, path = pictures if medium is PICTURE else sounds, tmp_path / "weights.safetensors"
    model, restored = model_of(medium, draw), Walloc(medium)
    export_walloc.export(model, draw, path)
    restore(restored, path)
    bands, rate = medium.packets(draw(1, 0, np.random.default_rng(4))), torch.tensor([0.6])
    found = []
    with torch.no_grad():
        for each in (model, restored):
            torch.manual_seed(0)
            out = each(bands, rate)
            found.append((float(out.bits), float((out.bands - bands).square().mean())))
    assert found[1] == pytest.approx(found[0], rel=0.05)


def test_weights_of_another_medium_are_not_restored(image_weights: Path) -> None:
    with pytest.raises(ModelError):
        restore(Walloc(SOUND), image_weights)


def test_training_lowers_the_loss(small: pytest.MonkeyPatch, tmp_path: Path) -> None:
    PIL.Image.fromarray(picture(96, 96)).save(tmp_path / "a.png")
    recipe = PictureRecipe(tmp_path, SETTINGS, CPU)
    optimiser = torch.optim.Adam(recipe.model.parameters(), 3e-4)
    losses = []
    for step in range(12):
        torch.manual_seed(step)
        result = recipe.step(SETTINGS, np.random.default_rng(step % 2))
        optimiser.zero_grad()
        torch.autograd.backward(result.loss)
        optimiser.step()
        losses.append(result.loss.item())
    assert sum(losses[-4:]) < sum(losses[:4])


def test_the_start_is_a_working_codec() -> None:
    model = model_of(PICTURE, pictures)
    crops = pictures(2, 0, np.random.default_rng(3))
    bands = PICTURE.packets(crops)
    rates = torch.tensor([0.2, 0.9])
    out = model(bands, rates)
    errors = (PICTURE.unpack(out.bands) - crops).square().mean((1, 2, 3))
    assert float(errors[1]) < float(errors[0]) < 0.01
    assert float(out.bits[0]) < float(out.bits[1])


def test_every_parameter_gets_a_gradient() -> None:
    for medium in (PICTURE, SOUND):
        model = Walloc(medium)
        shape = (2, medium.bands, 8, 8) if medium.axes == 2 else (2, medium.bands, 1, 24)
        out = model(torch.randn(shape), torch.tensor([0.1, 0.8]))
        (out.bands.square().mean() + 1e-3 * out.bits.mean()).backward()
        missing = [name for name, p in model.named_parameters() if p.grad is None]
        assert missing == []


def test_exact_indexes_are_close_to_the_float_scales(small: pytest.MonkeyPatch, tmp_path: Path
                                                     ) -> None:  # fmt: skip
    model = model_of(PICTURE, pictures)
    path = tmp_path / "weights.safetensors"
    export_walloc.export(model, pictures, path)
    coder = LatentCoder(model, read_weights(path), CPU)
    symbols = torch.randint(-3, 4, (144, PICTURE.seen), dtype=torch.int32)
    symbols *= torch.rand(symbols.shape) < 0.3  # Most are 0, as in pictures.
    rate, knot = torch.tensor([3 / (KNOTS - 1)]), 3 * KNOT_STEPS
    coder.scales._channels = np.full(KNOTS, PICTURE.latents, np.int32)
    exact, floats = coder.scales.level(symbols), torch.log2(1 + symbols.abs())
    for part in pyramid(12, 12, PICTURE.coarsest, CPU).passes:
        around = [gathered(part, x[None], PICTURE.neighbours) for x in (exact, floats)]
        around = [x.reshape(1, -1, 4, PICTURE.seen).sum(2) if x.numel() else x for x in around]
        for group, (first, _) in enumerate(PICTURE.spans(part.kind)):
            here = [x[None, part.start : part.stop, :first] for x in (exact, floats)]
            found = coder.scales.of(part, group, (around[0][0], here[0][0]), knot)
            levels = torch.cat([around[1], here[1]], 2)
            wanted = model.prior.log_scale(part, group, levels, rate)[0]
            index = (wanted - np.log(SCALE_MIN)) / LOG_SCALE_STEP
            apart = (found - index.clamp(0, SCALES - 1)).abs()
            assert apart.mean() < 0.6
            assert apart.max() < 3


def test_networks_are_named_by_pass_and_group() -> None:
    assert list(network_sizes(PICTURE)) == [
        "1_0",
        "2_0",
        *(f"{kind}_{group}" for kind in (3, 4) for group in range(3)),
    ]
    assert network_sizes(PICTURE)["3_2"] == (64 + 64, 32)
    assert network_sizes(SOUND)["0_1"] == (8, 16)
    assert network_sizes(SOUND)["6_3"] == (384 + 2 * 384 + 64, 96)
