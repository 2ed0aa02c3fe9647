"""How sounds, times and rates are written and read."""

import re

from ncodec.errors import OptionError

_TIME = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d+)?)", re.ASCII)
_CHANNELS = {1: "mono", 2: "stereo"}


def sound_text(seconds: float, sample_rate: int, channels: int) -> str:
    """Length, sample rate and channels, as "4.2 s 16 kHz mono"."""
    said = _CHANNELS.get(channels, f"{channels} channels")
    return f"{length_text(seconds)} {sample_rate / 1000:g} kHz {said}"


def length_text(seconds: float) -> str:
    """Seconds as "4.2 s", from 100 on as "1:40" or "1:00:00"."""
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def pace(length: float, work: float, model: float) -> str:
    """How long the work on a sound took, as "0.20 s (21x real time; model 0.9 s)"."""
    facts = [f"{length / work:.3g}x real time"] if length and work else []
    facts += [f"model {model:.1f} s"] if model >= 0.05 else []
    return f"{work:.2f} s ({'; '.join(facts)})" if facts else f"{work:.2f} s"


def time_of(text: str | None, option: str) -> float | None:
    """Read "90", "90.5", "1:30" or "1:01:30" as seconds."""
    if text is None:
        return None
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise OptionError(f"{option} {text!r}: write seconds as 90 or 90.5, or 1:30")
    hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return 3600 * hours + 60 * minutes + seconds
