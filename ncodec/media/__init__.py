"""Pictures as they come: ordinary image files, Pillow images, arrays and tensors <-> `Image`."""

from ncodec.media.arrays import as_image
from ncodec.media.image import Image, Lost, Metadata
from ncodec.media.load import load_image
from ncodec.media.save import output_format, save_image

__all__ = ["Image", "Lost", "Metadata", "as_image", "load_image", "output_format", "save_image"]
