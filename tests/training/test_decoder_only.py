"""Training a decoder alone: files stay what they are, and look better."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

import ncodec
from ncodec.codecs.registry import BUILT_IN, model_id
from ncodec.container import Reader
from ncodec.errors import OptionError
from ncodec.media import Audio, Image, save_audio
from ncodec.training import walloc
from ncodec.training.decoder_only import (
    DecoderRecipe,
    HyperpriorDecoder,
    WallocDecoder,
    WallocSoundDecoder,
)
from ncodec.training.loop import Settings, Trainer
from tests.codecs.pictures import picture
from tests.codecs.sounds import samples

RECIPES = {"hyperprior": HyperpriorDecoder, "walloc": WallocDecoder}


def settings(name: str) -> Settings:
    """Three steps, from the weights that are shipped."""
    return Settings(
        steps=3, anneal_steps=1, warmup_steps=1, batch=1, crop=128, report_every=1, compile=False,
        precision="fp32", start=str(BUILT_IN[name].weights[0]),
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "pictures"
    place.mkdir()
    PIL.Image.fromarray(picture(200, 150)).save(place / "a.png")
    return place


@pytest.mark.parametrize("name", RECIPES)
def test_training_starts_from_what_the_codec_does(name: str, folder: Path) -> None:
    recipe: DecoderRecipe = RECIPES[name](folder, settings(name), torch.device("cpu"))
    assert recipe.step(settings(name), np.random.default_rng(0)).figures["high_psnr"] > 30


@pytest.mark.parametrize("name", RECIPES)
def test_only_the_synthesis_changes(name: str, folder: Path, tmp_path: Path) -> None:
    recipe: DecoderRecipe = RECIPES[name](folder, settings(name), torch.device("cpu"))
    Trainer(recipe, tmp_path / "run", settings(name)).run()
    old, new = BUILT_IN[name].weights[0], tmp_path / "run" / f"{recipe.name}.safetensors"
    assert model_id(new) == model_id(old)
    source = picture(130, 70, seed=5)
    blob = ncodec.encode(source, codec=name, quality=60)
    decoded = recipe.codec(new).decompress(Reader(blob)).array
    before = ncodec.decode(blob)
    assert isinstance(before, Image)
    apart = np.abs(decoded.astype(int) - before.array)
    assert apart.max() > 0
    assert apart.mean() < 3
    assert "3 steps" in new.with_suffix(".md").read_text()


def test_of_sounds_only_the_networks_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walloc, "SHORTEST", 8192)
    place = tmp_path / "sounds" / "music"
    place.mkdir(parents=True)
    with (place / "a.wav").open("wb") as file:
        save_audio(Audio(samples(60_000, 2, 44_100), 44_100), file, "WAV")
    start = replace(settings("walloc"), crop=8192, start=str(BUILT_IN["walloc"].rows[1].weights[0]))
    recipe = WallocSoundDecoder(place.parent, start, torch.device("cpu"))
    Trainer(recipe, tmp_path / "run", start).run()
    new = tmp_path / "run" / "walloc_audio.safetensors"
    assert model_id(new) == model_id(BUILT_IN["walloc"].rows[1].weights[0])
    source = Audio(samples(30_000, 2, 44_100, 3), 44_100)
    blob = ncodec.encode(source, codec="walloc", quality=60)
    decoded, before = recipe.codec(new).decompress(Reader(blob)), ncodec.decode(blob)
    assert isinstance(before, Audio)
    apart = np.abs(decoded.array - before.array)
    assert 0 < apart.max() < 0.2


def test_training_lowers_the_error(folder: Path) -> None:
    recipe = HyperpriorDecoder(folder, settings("hyperprior"), torch.device("cpu"))
    torch.nn.init.zeros_(recipe.model.get_submodule("enter").get_parameter("weight"))
    optimiser = torch.optim.Adam(recipe.model.parameters(), 3e-4)
    losses = []
    for _ in range(10):
        result = recipe.step(settings("hyperprior"), np.random.default_rng(0))
        optimiser.zero_grad()
        torch.autograd.backward(result.loss)
        optimiser.step()
        losses.append(result.loss.item())
    assert losses[-1] < 0.97 * losses[0]


def test_a_recipe_needs_weights(folder: Path) -> None:
    with pytest.raises(OptionError, match="--start"):
        HyperpriorDecoder(folder, Settings(crop=128), torch.device("cpu"))
