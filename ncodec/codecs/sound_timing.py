"""How the time of a sound is cut into chunks: one a second that is begun."""

from dataclasses import dataclass
from typing import TypeVar

from ncodec.container import Chunk, ChunkKind, Limits, Reader
from ncodec.errors import CorruptFileError, InputError, TruncatedError

T = TypeVar("T", bound="Seconds")


@dataclass(frozen=True)
class Seconds:
    """The chunks of a sound of `samples` samples at `sample_rate`; codecs add their frames."""

    samples: int
    sample_rate: int

    @property
    def chunks(self) -> int:
        """One a second that is begun, at least one."""
        return max(1, -(-self.samples // self.sample_rate))

    @classmethod
    def of(cls: type[T], reader: Reader) -> tuple[T, tuple[Chunk, ...]]:
        """Timing and chunks of a file; `TruncatedError`, `CorruptFileError` if they don't fit."""
        media = reader.sound
        timing, chunks = cls(media.samples, media.sample_rate), reader.of_kind(ChunkKind.LATENTS)
        if len(chunks) != timing.chunks:
            kind = TruncatedError if len(chunks) < timing.chunks else CorruptFileError
            raise kind(f"{len(chunks)} chunks for {media.seconds:g} seconds")
        return timing, chunks

    def check_length(self) -> None:
        """Raise `InputError` for a sound of more seconds than a file may have chunks."""
        most = Limits.max_chunks
        if self.chunks > most:
            raise InputError(f"{self.chunks} seconds of sound; a file holds {most}: cut it")
