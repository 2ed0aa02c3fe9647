"""Sound as packets of 40 ms, as it comes: `encoder.push(samples)`, `decoder.push(packets)`.

One channel at 16 kHz. What `decoder.push` gives is 90 ms behind what `encoder.push` took, the
packet itself included; the sample s + `STREAM_DELAY` that comes out belongs to the sample s that
went in. Packets are decoded each on its own, so a lost one costs its own 40 ms: tell the decoder
by `decoder.push(None)`, and it fills the gap.

Importing this module imports no torch; opening a stream does.

Example:
    >>> encoder, decoder = open_encoder(kbps=3), open_decoder()  # doctest: +SKIP
    >>> samples = decoder.push(encoder.push(microphone.read(320)))  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from ncodec.api import choose_device
from ncodec.codecs.registry import entry_by_name, load, weights_for

if TYPE_CHECKING:
    from ncodec.codecs.grvq import GrvqCodec
    from ncodec.codecs.grvq_stream import StreamDecoder, StreamEncoder

SAMPLE_RATE = 16_000
PACKET = 640
"""Samples a packet."""
STREAM_DELAY = 1440
"""Samples from a sample's entry into the encoder to its exit from the decoder."""


def open_encoder(kbps: float = 3.0, *, gain_db: float = 0.0, device: str = "auto") -> StreamEncoder:
    """An encoder of packets of at most `kbps` kilobits a second, all of a packet counted.

    `gain_db` is applied to what goes in; it should bring speech to about -26 dB of full scale.
    Raises `OptionError`, `ModelError`.
    """
    from ncodec.codecs.grvq_stream import StreamEncoder

    return StreamEncoder(_codec(device), kbps, gain_db)


def open_decoder(*, gain_db: float = 0.0, device: str = "auto") -> StreamDecoder:
    """A decoder of such packets; `gain_db` must be the encoder's, and is undone.

    Raises `OptionError`, `ModelError`.
    """
    from ncodec.codecs.grvq_stream import StreamDecoder

    return StreamDecoder(_codec(device), gain_db)


def _codec(device: str) -> GrvqCodec:
    entry = entry_by_name("grvq")
    return cast("GrvqCodec", load(entry, weights_for(entry, None), choose_device(device)))
