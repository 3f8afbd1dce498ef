"""JPEG, PNG, WebP and BMP files, read with Pillow.

The checksums of a PNG are verified, so that a damaged one is never taken for
whole; a JPEG has none, and flipped bits in its pixels can go unseen. Of
several frames the first counts. PNGs of 16 bits are decoded by imagecodecs,
since Pillow drops the low byte of colours.
"""

import io
from typing import BinaryIO

import imagecodecs
import numpy as np
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from ipixmatch_jax.data.files import open_file
from ipixmatch_jax.data.files.bands import Bands, upright
from ipixmatch_jax.data.source import BadFileError

# No more of Pillow's readers than data sets need: each is a way in.
IMAGE_FORMATS = ("JPEG", "PNG", "WEBP", "BMP")
MASK_FORMATS = ("PNG", "BMP")  # Those that keep ids exactly.

_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)
_ORIENTATION = 0x0112  # The EXIF tag.
_PNG = b"\x89PNG\r\n\x1a\n"
_LFS = b"version https://git-lfs"
HEAD = 25  # Bytes at the beginning that tell a PNG's depth.
_COLOUR = {1: ("grey", ""), 2: ("grey", "alpha"), 3: ("RGB", "")}
_COLOUR[4] = ("RGB", "alpha")


def is_deep_png(data: bytes) -> bool:
    """Whether bytes are a PNG of 16 bits per channel."""
    return data[:8] == _PNG and data[24:25] == b"\x10"


def open_header(
    file: BinaryIO, path: str, formats: tuple[str, ...]
) -> ImageFile.ImageFile:
    """The image of a file with its header read, not yet decoded.

    Raises:
      BadFileError: it is of another format, damaged, or too large.
    """
    try:
        image = Image.open(file, formats=IMAGE_FORMATS)
    except UnidentifiedImageError as error:
        raise _unknown_format(file, path, formats) from error
    except _BOMBS as error:
        raise open_file.too_large(path) from error
    except open_file.MALFORMED as error:
        raise BadFileError(
            f"{path} is not a readable image: {open_file.words(error)}."
        ) from error
    open_file.check_size(path, *image.size)
    if image.format not in (*formats, "MPO"):  # A JPEG of several pictures.
        raise BadFileError(
            f"The mask {path} is a {image.format} file, whose compression "
            "changes ids; save masks as PNG."
        )
    return image


def _unknown_format(
    file: BinaryIO, path: str, formats: tuple[str, ...]
) -> BadFileError:
    file.seek(0)
    head = file.read(64).lstrip().lower()
    why = f"it is none of {', '.join((*formats, 'TIFF'))}, or its head is "
    why += "damaged"
    if head.startswith(_LFS):
        why = "it is a pointer of Git LFS, so run `git lfs pull`"
    elif head.startswith((b"<!doctype html", b"<html")):
        why = "it is a web page, as a failed download leaves it"
    return BadFileError(f"{path} is not a readable image: {why}.")


def decode_image(
    data: bytes, path: str, formats: tuple[str, ...]
) -> tuple[Image.Image, str]:
    """The decoded image, not turned, and the mode in which it is stored.

    Raises:
      BadFileError: it cannot be decoded.
    """
    image = open_header(io.BytesIO(data), path, formats)
    size = image.size
    try:
        if image.format == "PNG":
            image.verify()  # Afterwards the image cannot be decoded.
            image = open_header(io.BytesIO(data), path, formats)
        raw_mode = image.tile[0][3] if image.tile else ""
        if isinstance(raw_mode, tuple):  # JPEG and BMP: and more
            raw_mode = raw_mode[0]
        image.load()
    except BadFileError:
        raise
    except open_file.MALFORMED as error:
        raise open_file.undecodable(path, error) from error
    if image.size != size:
        raise BadFileError(
            f"{path} cannot be decoded: its header says "
            f"{size[0]}x{size[1]}, its pixels {image.width}x{image.height}."
        )
    return image, raw_mode if isinstance(raw_mode, str) else ""


def turn_upright(image: Image.Image) -> None:
    """Turns a decoded image in place as its EXIF says, if it says so."""
    if orientation(image) > 1:
        ImageOps.exif_transpose(image, in_place=True)


def orientation(image: Image.Image) -> int:
    """EXIF's orientation, 1 (upright) to 8."""
    if "exif" not in image.info:
        return 1
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except open_file.MALFORMED:  # A damaged tag of a picture that is whole.
        return 1
    return value if value in range(1, 9) else 1


def read_deep_png(data: bytes, path: str, *, turn: bool) -> Bands:
    """A PNG of 16 bits per channel with every bit.

    Args:
      data: the whole file.
      path: its name, for messages.
      turn: whether its EXIF orientation is applied.

    Raises:
      BadFileError: it cannot be decoded.
    """
    try:
        with open_header(io.BytesIO(data), path, IMAGE_FORMATS) as image:
            turned = orientation(image) if turn else 1
            size = image.size
            image.verify()
        values = imagecodecs.png_decode(data)
    except BadFileError:
        raise
    except open_file.MALFORMED as error:
        raise open_file.undecodable(path, error) from error
    values = values[..., None] if values.ndim == 2 else values
    if values.dtype != np.uint16 or values.shape[1::-1] != size:
        raise BadFileError(f"{path} cannot be decoded as a PNG of 16 bits.")
    colour, alpha = _COLOUR[values.shape[-1]]
    return Bands(upright(values, turned), colour, alpha, 16)
