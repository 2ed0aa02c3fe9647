"""The codec with the weights of the package."""

from dataclasses import replace
from pathlib import Path

import pytest

from ncodec.api import Codec, load_codec
from ncodec.codecs import registry
from ncodec.codecs.grvq import GrvqCodec
from ncodec.codecs.hyperprior import HyperpriorCodec

from . import vqgan_weights as vqgan_files
from . import walloc_weights as walloc_files
from .grvq_arrays import write_weights

MEDIA = (walloc_files.PICTURE, walloc_files.SOUND)


@pytest.fixture(scope="session")
def codec() -> Codec:
    return load_codec("hyperprior", "cpu")


@pytest.fixture(scope="session")
def engine(codec: Codec) -> HyperpriorCodec:
    """What the public object drives."""
    entry = registry.entry_by_name("hyperprior")
    found = registry.load(entry, registry.weights_for(entry, None), "cpu")
    assert isinstance(found, HyperpriorCodec)
    return found


@pytest.fixture(scope="session")
def sound_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of the sound codec with untrained networks."""
    path = tmp_path_factory.mktemp("weights") / "grvq.safetensors"
    write_weights(path)
    return path


@pytest.fixture(scope="session")
def sounds(sound_weights: Path) -> GrvqCodec:
    """The sound codec with untrained networks."""
    return GrvqCodec(sound_weights)


@pytest.fixture
def registered(sound_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The registry has the sound codec with the untrained weights."""
    entry = registry.CodecEntry(
        "grvq",
        2,
        "audio",
        "ncodec.codecs.grvq:GrvqCodec",
        (sound_weights,),
        "",
        trim="ncodec.codecs.grvq_trim:trim",
    )
    monkeypatch.setattr(registry, "entries", lambda: {**registry.BUILT_IN, "grvq": entry})


@pytest.fixture(scope="session")
def walloc_weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Weights of the codec for both media, fitted but not trained."""
    place = tmp_path_factory.mktemp("walloc")
    paths = {medium.name: place / f"walloc_{medium.name}.safetensors" for medium in MEDIA}
    for medium in MEDIA:
        walloc_files.write_weights(medium, paths[medium.name])
    return paths


@pytest.fixture(scope="session")
def walloc_entry(walloc_weights: dict[str, Path]) -> registry.CodecEntry:
    """The registry's row with these weights."""
    row = registry.BUILT_IN["walloc"]
    assert row.also is not None
    sound = replace(row.also, weights=(walloc_weights["audio"],))
    return replace(row, weights=(walloc_weights["image"],), also=sound)


@pytest.fixture
def walloc(walloc_entry: registry.CodecEntry, monkeypatch: pytest.MonkeyPatch) -> Codec:
    """The public object, with the registry made to know it."""
    known = {**registry.BUILT_IN, "walloc": walloc_entry}
    monkeypatch.setattr(registry, "entries", lambda: known)
    return load_codec("walloc", "cpu")


@pytest.fixture(scope="session")
def vqgan_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights whose words are made-up blocks, with untrained networks."""
    path = tmp_path_factory.mktemp("vqgan") / "vqgan.safetensors"
    vqgan_files.save(vqgan_files.all_arrays(), path)
    return path


@pytest.fixture
def vqgan(vqgan_weights: Path, monkeypatch: pytest.MonkeyPatch) -> Codec:
    """The public object, with the registry made to know these weights."""
    entry = replace(registry.BUILT_IN["vqgan"], weights=(vqgan_weights,))
    known = {**registry.BUILT_IN, "vqgan": entry}
    monkeypatch.setattr(registry, "entries", lambda: known)
    return load_codec("vqgan", "cpu")
