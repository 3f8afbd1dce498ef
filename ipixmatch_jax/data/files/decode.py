"""Image files to 8-bit pixels; whatever is wrong with one is one sentence.

Images become RGB: grey and palettes are spread, CMYK is converted, and alpha
is dropped (the colours below it stay). As one channel they become the luma of
that, which leaves grey as it is. Two channels and four or more are those of
the file as they are. Values of more than 8 bits are scaled over the value
range of the data set (files/bands.py).
An EXIF rotation of an image is applied, as every viewer and labelling tool
does.
"""

import numpy as np
from PIL import Image

from ipixmatch_jax.data.band_image import BandImage, make_image
from ipixmatch_jax.data.files import open_file, pillow_reader, tiff_reader
from ipixmatch_jax.data.files.bands import Bands, Range, to_8_bits
from ipixmatch_jax.data.files.pillow_reader import IMAGE_FORMATS
from ipixmatch_jax.data.source import BadFileError

_PREMULTIPLIED = (
    "says that its colours are multiplied by its alpha channel, so they "
    "cannot be had as they were; save it with an extra channel that is not "
    "alpha."
)


def read_image(
    path: str,
    data: bytes | None = None,
    channels: int = 3,
    value_range: Range | None = None,
) -> Image.Image | BandImage:
    """The image of a file, upright, as band_image.make_image gives it.

    Args:
      path: of the file; where the bytes are given, a name for messages.
      data: what the file holds; None reads it.
      channels: 1 to 16; other than 1 and 3 take files of just so many.
      value_range: the values that become 0 and 255 where a file has more
        than 8 bits; None: the range of its type.

    Raises:
      BadFileError: names the file and the reason.
    """
    data = open_file.read_bytes(path) if data is None else data
    try:
        image = _read(path, data, channels, value_range)
    except BadFileError:
        raise
    except open_file.MALFORMED as error:
        raise open_file.undecodable(path, error) from error
    if isinstance(image, Image.Image):
        image.info = {}  # So that nobody turns or colour-corrects it again.
    return image


def is_deep(path: str, data: bytes | None = None) -> bool:
    """Whether a file holds more than 8 bits per channel, from its header.

    Arguments as of `read_image`.

    Raises:
      BadFileError: names the file and the reason.
    """
    with open_file.open_binary(path, data) as file:
        head = file.read(pillow_reader.HEAD)
        file.seek(0)
        if tiff_reader.is_tiff(head):
            return tiff_reader.is_deep_tiff(file, path)
        return pillow_reader.is_deep_png(head)


def read_bands(path: str, data: bytes | None = None) -> Bands:
    """The bands of a file for which `is_deep` is true.

    Arguments as of `read_image`.

    Raises:
      BadFileError: names the file and the reason.
    """
    data = open_file.read_bytes(path) if data is None else data
    try:
        bands = _bands(path, data)
    except BadFileError:
        raise
    except open_file.MALFORMED as error:
        raise open_file.undecodable(path, error) from error
    # Palettes of more than 8 bits are refused, and Pillow's files are not deep.
    assert isinstance(bands, Bands)
    return bands


def read_size(path: str, data: bytes | None = None) -> tuple[int, int]:
    """(height, width) of what `read_image` gives, from the file's header.

    Arguments as of `read_image`.

    Raises:
      BadFileError: names the file and the reason.
    """
    with open_file.open_binary(path, data) as file:
        head = file.read(4)
        file.seek(0)
        if tiff_reader.is_tiff(head):
            return tiff_reader.read_tiff_size(file, path)
        image = pillow_reader.open_header(file, path, IMAGE_FORMATS)
        width, height = image.size
        swapped = pillow_reader.orientation(image) >= 5
    return (width, height) if swapped else (height, width)


def _bands(path: str, data: bytes) -> Bands | tiff_reader.Palette | None:
    """What is read band by band; None for what Pillow reads."""
    if tiff_reader.is_tiff(data):
        return tiff_reader.read_tiff(data, path)
    if pillow_reader.is_deep_png(data):
        return pillow_reader.read_deep_png(data, path, turn=True)
    return None


def _read(
    path: str, data: bytes, channels: int, value_range: Range | None
) -> Image.Image | BandImage:
    bands = _bands(path, data)
    if bands is not None:
        return from_bands(bands, path, channels, value_range)
    image, raw_mode = pillow_reader.decode_image(data, path, IMAGE_FORMATS)
    pillow_reader.turn_upright(image)
    if channels not in (1, 3):
        return _all_bands(image, raw_mode, path, channels)
    image = _rgb(image, path)
    return image.convert("L") if channels == 1 else image


def from_bands(
    bands: Bands | tiff_reader.Palette,
    path: str,
    channels: int,
    value_range: Range | None,
) -> Image.Image | BandImage:
    """The image of decoded bands; arguments and errors as of `read_image`."""
    if isinstance(bands, tiff_reader.Palette):
        colours = np.asarray(bands.colours, np.uint8)[bands.values]
        bands = Bands(colours, "RGB", "", 8)
    count = bands.values.shape[-1]
    named = {"grey": 1, "RGB": 3, "CMYK": 4}[bands.colour]
    if channels not in (1, 3):
        if count != channels or bands.colour == "CMYK":
            raise _other_channels(path, count, bands.colour, channels)
        if bands.alpha == "multiplied":
            raise BadFileError(f"{path} {_PREMULTIPLIED}")
    elif count > named + 1:
        raise BadFileError(
            f"{path} has {count} bands, and config.data.channels={channels} "
            f"takes files of {named} and one more at most: train with "
            f"--config.data.channels={count} to read all, or write the bands "
            "that are meant into a file of fewer."
        )
    values = to_8_bits(bands, value_range, path)
    if channels not in (1, 3):
        return make_image(values)
    if bands.alpha == "multiplied" and named == 3:
        return _image(values, "RGBa").convert("RGBA").convert("RGB")
    mode = {1: "L", 3: "RGB", 4: "CMYK"}[named]
    image = _image(values[..., :named], mode)
    return image.convert("L" if channels == 1 else "RGB")


def _image(values: np.ndarray, mode: str) -> Image.Image:
    height, width = values.shape[:2]
    return Image.frombytes(mode, (width, height), values.tobytes())


def _rgb(image: Image.Image, path: str) -> Image.Image:
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        raise BadFileError(
            f"{path} holds values of more than 8 bits (mode {image.mode}) in "
            "a format that is not understood; save it as PNG or TIFF."
        )
    if "transparency" in image.info and image.mode == "P":
        image = image.convert("RGBA")
    return image.convert("RGB")


def _all_bands(
    image: Image.Image, raw_mode: str, path: str, channels: int
) -> Image.Image | BandImage:
    """All channels of a file as they are, none of them taken for alpha."""
    if image.mode != {2: "LA", 4: "RGBA"}.get(channels):
        count, mode = len(image.getbands()), f"mode {image.mode}"
        raise _other_channels(path, count, mode, channels)
    if raw_mode.startswith("RGBa"):
        raise BadFileError(f"{path} {_PREMULTIPLIED}")
    return make_image(np.asarray(image))


def _other_channels(
    path: str, count: int, mode: str, channels: int
) -> BadFileError:
    what = f"{count} channels ({mode})"
    if count == channels:
        way = "bands that are not inks"
    elif max(count, channels) > 4:
        what = f"{count} bands"
        way = f"train with --config.data.channels={count} to read all, or "
        way += f"write the {channels} bands that are meant into a TIFF"
    else:
        way = f"{'grey' if channels == 2 else 'RGB'} and one more"
    return BadFileError(
        f"{path} has {what}, and config.data.channels={channels} takes files "
        f"of {channels}: {way}."
    )
