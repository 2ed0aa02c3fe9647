"""Pictures and sounds as they come: ordinary files, arrays, tensors <-> `Image` and `Audio`."""

from ncodec.media.arrays import as_image
from ncodec.media.audio import Audio, LostSpan, Samples, SoundBlocks, as_audio
from ncodec.media.image import Image, Lost, Metadata
from ncodec.media.load import load_image
from ncodec.media.open import Media, load_media, medium, open_media, unkept
from ncodec.media.save import output_format, save_image
from ncodec.media.sound_read import SoundSource, load_audio, open_sound
from ncodec.media.sound_write import SoundWriter, save_audio, sound_format

__all__ = [
    "Audio",
    "Image",
    "Lost",
    "LostSpan",
    "Media",
    "Metadata",
    "Samples",
    "SoundBlocks",
    "SoundSource",
    "SoundWriter",
    "as_audio",
    "as_image",
    "load_audio",
    "load_image",
    "load_media",
    "medium",
    "open_media",
    "open_sound",
    "output_format",
    "save_audio",
    "save_image",
    "sound_format",
    "unkept",
]
