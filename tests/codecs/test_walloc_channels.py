"""Latents of `walloc` at rates that code few channels, all that contexts see, or weak ones too."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ncodec.codecs.walloc import load_model
from ncodec.codecs.walloc_coding import symbols_of
from ncodec.codecs.walloc_latents import LatentCoder
from ncodec.entropy import Encoder
from ncodec.models.rates import KNOTS
from ncodec.models.walloc_medium import Medium

from .walloc_weights import PICTURE, SOUND, write_weights

CPU = torch.device("cpu")
STEP = 500
SHAPES = {PICTURE.name: [(1, 1), (1, 13), (5, 7)], SOUND.name: [(1, 1), (1, 21)]}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("weights")
    found = {medium.name: place / f"{medium.name}.safetensors" for medium in (PICTURE, SOUND)}
    for medium in (PICTURE, SOUND):
        write_weights(medium, found[medium.name])
    return found


def coder_of(weights: Path, medium: Medium, channels: int) -> LatentCoder:
    coder = load_model(weights, medium, CPU)[1]
    coder.scales._channels = np.full(KNOTS, channels, np.int32)
    return coder


def counts(medium: Medium) -> list[int]:
    return [1, medium.groups[0] + 1, medium.seen, medium.seen + 1, medium.latents]


@pytest.mark.parametrize("medium", [PICTURE, SOUND], ids=lambda medium: medium.name)
@pytest.mark.parametrize("number", range(5))
def test_any_number_of_channels_comes_back(
    weights: dict[str, Path], medium: Medium, number: int
) -> None:
    channels = counts(medium)[number]
    for height, width in SHAPES[medium.name]:
        coder = coder_of(weights[medium.name], medium, channels)
        torch.manual_seed(height + width)
        gain = coder.model.gain(torch.tensor([STEP / 800]))
        y = 3 * torch.randn(1, medium.latents, height, width) / gain
        payload, codings = coder.encode(y, STEP)
        coder.verify(payload, codings, (height, width), STEP)
        assert symbols_of(codings).values.shape == (height * width, channels)
        found = coder.decode(payload, height, width, STEP)
        _, encoders = coder._encode(y[0], Encoder(), STEP, whole=True)
        assert torch.equal(found, encoders.latent(height, width))
        assert not found[:, channels:].any()
        assert ((found - y)[:, :channels] * gain[:, :channels]).abs().max() < 2
