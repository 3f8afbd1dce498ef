"""Images as Python code holds them: paths, open images and arrays."""

import io
import os

import numpy as np
from PIL import Image

from ipixmatch_jax.data.files import decode
from ipixmatch_jax.data.files.bands import Range
from ipixmatch_jax.data.source import pixels
from ipixmatch_jax.evaluate.image_batches import Size

ImageLike = str | os.PathLike | Image.Image | np.ndarray
# Modes of Pillow that a PNG keeps as they are.
_PNG_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")


def is_one_image(images: object) -> bool:
    """Whether this is a single image, not several."""
    if isinstance(images, str | os.PathLike | Image.Image):
        return True
    return getattr(images, "ndim", None) in (2, 3)


def read_image(
    image: ImageLike, channels: int, value_range: Range | None = None
) -> np.ndarray:
    """An image as pixels.

    Args:
      image: a path; an open image of Pillow, whose EXIF orientation is
        applied; or an array uint8 [H, W, C], with one channel also [H, W].
      channels: C, those of the network.
      value_range: of files of more than 8 bits, see decode.read_image.

    Returns:
      uint8 [H, W, C].

    Raises:
      BadFileError: the file cannot be used.
      ValueError: the array is not such an image.
    """
    if isinstance(image, str | os.PathLike):
        read = decode.read_image(
            os.fspath(image), channels=channels, value_range=value_range
        )
        return pixels(read)
    if isinstance(image, Image.Image):
        return _read_open_image(image, channels, value_range)
    array = np.asarray(image)
    if array.ndim == 2:
        array = array[..., None]
    if array.dtype != np.uint8:
        raise ValueError(
            f"The image is an array of {array.dtype}: give uint8 values from "
            "0 to 255."
        )
    if array.ndim != 3 or array.shape[2] != channels or not array.size:
        raise ValueError(
            f"The image is an array of shape {np.shape(image)}: this network "
            f"takes [height, width, {channels}]."
        )
    return array


def read_size(image: ImageLike, channels: int) -> Size:
    """(height, width) of what `read_image` returns, in pixels."""
    if isinstance(image, str | os.PathLike):
        return decode.read_size(os.fspath(image))
    height, width = read_image(image, channels).shape[:2]
    return height, width


def _read_open_image(
    image: Image.Image, channels: int, value_range: Range | None
) -> np.ndarray:
    """Reads it as a file, through the bytes of a PNG."""
    if image.mode not in _PNG_MODES:
        exif = image.getexif()
        image = image.convert("RGB")
    else:
        exif = image.getexif()
    data = io.BytesIO()
    image.save(data, format="PNG", exif=exif, compress_level=0)
    name = getattr(image, "filename", "") or "The image"
    read = decode.read_image(str(name), data.getvalue(), channels, value_range)
    return pixels(read)
