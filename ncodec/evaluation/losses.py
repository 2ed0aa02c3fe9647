"""Losing parts of a sound on purpose: which ones, and what a file or a stream then is.

Losses in bursts follow Gilbert, "Capacity of a Burst-Noise Channel" (1960): a channel is good or
bad, and what is sent while it is bad is lost.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ncodec.container import Reader
from ncodec.errors import InputError, OptionError


def random_losses(count: int, share: float, seed: int) -> NDArray[np.bool_]:
    """Which of `count` parts are lost, each with the probability `share`; true is lost."""
    _check(share, 1.0)
    lost: NDArray[np.bool_] = np.random.default_rng(seed).random(count) < share
    return lost


def burst_losses(count: int, share: float, burst: float, seed: int) -> NDArray[np.bool_]:
    """The same in bursts: `share` of the parts are lost, `burst` in a row on average.

    Raises:
        OptionError: no channel has such losses; bursts have at least one part.
    """
    _check(share, burst)
    recover = 1 / burst
    fail = recover * share / (1 - share) if share < 1 else 1.0
    if fail > 1:
        raise OptionError(f"losing {share:g} takes bursts of at least {share / (1 - share):g}")
    random = np.random.default_rng(seed)
    lost = np.zeros(count, bool)
    bad = bool(random.random() < share)
    for index, draw in enumerate(random.random(count).tolist()):
        lost[index] = bad
        bad = draw >= recover if bad else draw < fail
    return lost


def without_chunks(data: bytes, lost: NDArray[np.bool_]) -> bytes:
    """A sound's file with the chunks damaged that are lost: a partial decode conceals them.

    Raises `InputError` if there are not as many chunks, `BitstreamError`s for what is no file.
    """
    reader = Reader(data)
    if len(lost) != len(reader.chunks):
        raise InputError(f"{len(lost)} losses for {len(reader.chunks)} chunks")
    changed = bytearray(data)
    for chunk, gone in zip(reader.chunks, lost.tolist(), strict=True):
        if gone:
            changed[chunk.offset] ^= 0xFF
    return bytes(changed)


def packets(stream: bytes) -> Iterator[bytes]:
    """The packets of a stream, one by one."""
    while stream:
        size = 1 + stream[0]
        yield stream[:size]
        stream = stream[size:]


def received(stream: bytes, lost: NDArray[np.bool_]) -> list[bytes | None]:
    """The packets of a stream as a `StreamDecoder` gets them, None for the lost ones.

    Raises `InputError` if there are not as many packets.
    """
    sent = list(packets(stream))
    if len(lost) != len(sent):
        raise InputError(f"{len(lost)} losses for {len(sent)} packets")
    return [None if gone else packet for packet, gone in zip(sent, lost.tolist(), strict=True)]


def _check(share: float, burst: float) -> None:
    if not 0 <= share <= 1:
        raise OptionError(f"share {share}: must lie in 0..1")
    if not 1 <= burst < float("inf"):
        raise OptionError(f"burst {burst}: must be at least 1")
