"""Header and chunks -> bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ncodec.container.fields import (
    VARINT_MAX,
    header_sum,
    payload_sum,
    payload_sum_bytes,
    varint,
    zigzag,
)
from ncodec.container.layout import (
    LETTERS,
    MAGIC,
    MODEL_ID_BYTES,
    ONE_TILE,
    TILES,
    VERSION,
    AudioHeader,
    ChunkKind,
    Flag,
    Header,
    ImageHeader,
    Limits,
)
from ncodec.container.reader import Reader
from ncodec.errors import BitstreamError, InputError

Chunks = Sequence[tuple[str, bytes]]


def pack(header: Header, chunks: Chunks) -> bytes:
    """Write a file: `chunks` are (kind, payload) pairs, kept in their order.

    A single "L" chunk of a sound, or of a picture that is one tile, takes the short form without
    a directory. A tile that covers the whole picture is written as one tile, so it reads back as
    None; a picture with other chunks than "L" is not brief, whatever its header says.

    Raises `InputError` for values that the format cannot express or `Reader` would refuse.
    """
    _check_arguments(header, chunks)
    kinds = [kind for kind, _ in chunks]
    media, short = header.media, kinds == [ChunkKind.LATENTS]
    if isinstance(media, AudioHeader):
        flags, fields = _sound_fields(media, None if short else chunks)
    else:
        media = replace(media, brief=media.brief and {*kinds} <= {ChunkKind.LATENTS})
        short = short and _one_tile(media)
        flags, fields = _picture_fields(media, None if short else chunks)
    flags |= Flag(0) if short else Flag.DIRECTORY
    start = MAGIC + bytes([VERSION << 4 | flags]) + varint(header.codec) + header.model_id
    head = start + fields
    tail = _sum_of(media, chunks[0][1]) if short else b""
    blob = b"".join([head, header_sum(head), *(payload for _, payload in chunks), tail])
    _check_readable(blob)
    return blob


def _check_readable(blob: bytes) -> None:
    try:
        Reader(blob, Limits(max_pixels=Limits.max_side**2))
    except BitstreamError as error:
        raise InputError(f"no decoder would read this back: {error}") from error


def _one_tile(media: ImageHeader) -> bool:
    return media.tile is None or media.tile >= max(media.width, media.height)


def _picture_fields(media: ImageHeader, chunks: Chunks | None) -> tuple[Flag, bytes]:
    """Flags and fields of a picture; `chunks` None: the short form."""
    flags = Flag(Flag.GREY * media.grey | Flag.BRIEF * media.brief)
    fields = varint(media.width) + varint(media.height) + varint(media.rate)
    if chunks is None:
        return flags, fields
    exponent = ONE_TILE if media.tile is None or _one_tile(media) else TILES.index(media.tile)
    table = _lengths(media, chunks) if media.brief else _entries(media, chunks)
    return flags, b"".join([fields, bytes([exponent]), varint(len(chunks)), *table])


def _sound_fields(media: AudioHeader, chunks: Chunks | None) -> tuple[Flag, bytes]:
    """Flags and fields of a sound; `chunks` None: the short form."""
    fields = [media.samples, media.sample_rate, media.channels, media.rate]
    table = [] if chunks is None else [varint(len(chunks)), *_lengths(media, chunks)]
    return Flag.SOUND, b"".join([*map(varint, fields), *table])


def _entries(media: ImageHeader, chunks: Chunks) -> Iterator[bytes]:
    """The directory of a picture."""
    for kind, data in chunks:
        yield kind.encode() + varint(len(data)) + _sum_of(media, data)


def _lengths(media: ImageHeader | AudioHeader, chunks: Chunks) -> Iterator[bytes]:
    """The directory of a brief file: lengths as differences, since neighbours are alike."""
    before = 0
    for _, data in chunks:
        yield varint(zigzag(len(data) - before)) + _sum_of(media, data)
        before = len(data)


def _sum_of(media: ImageHeader | AudioHeader, payload: bytes) -> bytes:
    size = payload_sum_bytes(media.brief)
    return payload_sum(media.brief, payload).to_bytes(size, "little")


def _check_arguments(header: Header, chunks: Chunks) -> None:
    media = header.media
    if type(header.model_id) is not bytes or len(header.model_id) != MODEL_ID_BYTES:
        raise InputError(f"model_id must be {MODEL_ID_BYTES} bytes, got {header.model_id!r}")
    for name, value in {"codec": header.codec, **_numbers(media)}.items():
        if type(value) is not int or not 0 <= value <= VARINT_MAX:
            raise InputError(f"{name} must be an int from 0 to {VARINT_MAX}, got {value!r}")
    if isinstance(media, ImageHeader):
        _check_picture(media)
    for kind, payload in chunks:
        if kind not in LETTERS or type(payload) is not bytes:
            raise InputError(f"a chunk must be an ASCII letter and bytes, got {kind!r:.20}")
        if isinstance(media, AudioHeader) and kind != ChunkKind.LATENTS:
            raise InputError(f"a sound holds chunks {ChunkKind.LATENTS!r} only, got {kind!r}")


def _numbers(media: ImageHeader | AudioHeader) -> dict[str, int]:
    if isinstance(media, ImageHeader):
        return {"width": media.width, "height": media.height, "rate": media.rate}
    names = ("samples", "sample_rate", "channels", "rate")
    return {name: getattr(media, name) for name in names}


def _check_picture(media: ImageHeader) -> None:
    for name in ("grey", "brief"):
        if type(getattr(media, name)) is not bool:
            raise InputError(f"{name} must be True or False, got {getattr(media, name)!r}")
    if media.tile is not None and media.tile not in TILES:
        raise InputError(f"tile must be one of {TILES} or None, got {media.tile!r}")
