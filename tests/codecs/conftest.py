"""The codec with the weights of the package."""

import pytest

from ncodec.api import Codec, load_codec
from ncodec.codecs import registry
from ncodec.codecs.hyperprior import HyperpriorCodec


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
