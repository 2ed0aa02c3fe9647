"""The codec with the weights of the package."""

from pathlib import Path

import pytest

from ncodec.api import Codec, load_codec
from ncodec.codecs import registry
from ncodec.codecs.grvq import GrvqCodec
from ncodec.codecs.hyperprior import HyperpriorCodec

from .grvq_arrays import write_weights


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
