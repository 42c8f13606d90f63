"""Photos: reading any image safely into upright sRGB."""

from facefuse.photos.photo import Photo, same_photo
from facefuse.photos.reading import MAX_PIXELS, read_photo

__all__ = ["MAX_PIXELS", "Photo", "read_photo", "same_photo"]
