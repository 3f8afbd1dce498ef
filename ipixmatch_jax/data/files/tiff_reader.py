"""TIFF files, read with tifffile and imagecodecs.

Bands may lie pixel by pixel or plane by plane, in strips or tiles, packed by
any codec of imagecodecs (none, deflate, LZW, JPEG and zstd are tested). What
has no plain meaning is refused by name: colour spaces other than grey, RGB,
palette, CMYK and YCbCr, complex numbers, volumes, and stacks of pages.
"""

import contextlib
import io
import logging
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple, cast

import numpy as np
import tifffile
from PIL import Image

from ipixmatch_jax.data import band_image
from ipixmatch_jax.data.files import open_file
from ipixmatch_jax.data.files.bands import Bands, upright
from ipixmatch_jax.data.source import BadFileError

_HEADS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # TIFF and BigTIFF
_ORIENTATION = 274  # Tags of a page.
_NODATA = 42113  # GDAL's
_REDUCED, _MASK = 1, 4  # Bits of NewSubfileType for overviews and masks.
_FIRST_PAGES = 8  # that are looked at to tell a stack
_COLOURS = {"MINISBLACK": 1, "MINISWHITE": 1, "RGB": 3, "SEPARATED": 4}
_ALPHA = {1: "multiplied", 2: "alpha"}  # Kinds of extra samples.
# Codecs that change values.
LOSSY = ("OJPEG", "JPEG", "JPEG_LOSSY", "JPEGXR", "WEBP")


class Palette(NamedTuple):
    """An indexed TIFF: values and the colours that they stand for.

    Attributes:
      values: uint8 [H, W].
      colours: (red, green, blue) in 0..255 of every value of the file.
    """

    values: np.ndarray
    colours: tuple[tuple[int, int, int], ...]


def is_tiff(data: bytes) -> bool:
    """Whether bytes begin as a TIFF or BigTIFF does."""
    return data[:4] in _HEADS


def read_tiff(
    data: bytes, path: str, *, exact: bool = False
) -> Bands | Palette:
    """The first page of a TIFF, upright.

    Args:
      data: the whole file.
      path: its name, for messages.
      exact: refuse codecs that change values, as masks need it.

    Raises:
      BadFileError: the file is damaged, too large, or not understood.
    """
    with first_page(io.BytesIO(data), path) as page:
        check_page(page, path)
        codec = tifffile.COMPRESSION(page.compression).name
        if exact and codec in LOSSY:
            raise BadFileError(
                f"The mask {path} is packed with {codec}, whose compression "
                "changes ids; save masks as PNG."
            )
        values = page.asarray(maxworkers=1)  # Callers have threads.
        # Bands that lie plane by plane come first.
        values = np.moveaxis(values, 0, -1) if page.axes == "SYX" else values
        return interpret(page, upright(values, orientation(page)), path)


def read_tiff_size(file: BinaryIO, path: str) -> tuple[int, int]:
    """(height, width) of the first page once it is upright.

    Raises:
      BadFileError: the header is damaged, or the page is too large.
    """
    with first_page(file, path) as page:
        height, width = page.imagelength, page.imagewidth
        return (width, height) if orientation(page) >= 5 else (height, width)


def is_deep_tiff(file: BinaryIO, path: str) -> bool:
    """Whether the first page holds more than 8 bits per band.

    Raises:
      BadFileError: the header is damaged, or the page is too large.
    """
    with first_page(file, path) as page:
        return int(np.max(page.bitspersample)) > 8


@contextlib.contextmanager
def first_page(
    file: BinaryIO, path: str, *, windows: bool = False
) -> Iterator[tifffile.TiffPage]:
    """The header of the first page.

    Args:
      file: the open file.
      path: its name, for messages.
      windows: the pixels are read in windows, so the page may be of any size.

    Raises:
      BadFileError: the header is damaged, the page is too large, or the file
        is a stack of pages.
    """
    # It logs each odd tag; what matters is said by our own sentence.
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    try:
        with tifffile.TiffFile(file) as tiff:
            page = tiff.pages.first
            if not windows:
                open_file.check_size(path, page.imagewidth, page.imagelength)
            _refuse_stack(tiff, page, path)
            yield page
    except BadFileError:
        raise
    except open_file.MALFORMED as error:
        raise open_file.undecodable(path, error) from error


def _refuse_stack(tiff: tifffile.TiffFile, page, path: str) -> None:
    """Refuses several full pages: which one is meant cannot be known."""
    for i in range(1, _FIRST_PAGES):
        try:
            # Frames come only where `useframes` is set.
            other = cast(tifffile.TiffPage, tiff.pages[i])
        except IndexError:
            return
        image = not other.subfiletype & (_REDUCED | _MASK)
        if image and other.shape == page.shape:
            raise BadFileError(
                f"{path} is a stack of pages of {page.imagewidth}x"
                f"{page.imagelength} pixels: save the page that is meant, or "
                "all of them as bands of one page."
            )


def check_page(page, path: str, *, windows: bool = False) -> None:
    """Refuses pages whose values have no plain meaning.

    Arguments as of `first_page`.

    Raises:
      BadFileError: names the file and the reason.
    """
    what = None
    bits = page.bitspersample
    if page.dtype is None or page.dtype.kind not in "buif":
        what = f"values of {bits} bits in a format other than whole or float"
    elif page.axes not in ("YX", "YXS", "SYX"):
        what = f"the axes {page.axes}, not those of one picture"
    elif page.samplesperpixel > band_image.MOST:
        what = f"{page.samplesperpixel} bands, more than {band_image.MOST}"
    elif _photometric(page) not in (*_COLOURS, "PALETTE", "YCBCR"):
        what = f"the colour space {_photometric(page)}"
    elif page.nbytes > open_file.MAX_BYTES and not windows:
        raise BadFileError(
            f"{path} holds {page.nbytes:,} bytes of pixels, and files of more "
            "than 1 GiB are read in windows only: save it in tiles "
            "(docs/satellites.md says how), or predict it with --geotiff."
        )
    elif _photometric(page) == "PALETTE" and max(np.ravel(bits)) > 8:
        what = "a palette of more than 256 colours"
    if what:
        raise BadFileError(
            f"{path} is a TIFF with {what}, which is not understood: save it "
            f"as 1 to {band_image.MOST} bands of 8 or 16 bits or floats."
        )


def _photometric(page) -> str:
    return tifffile.PHOTOMETRIC(page.photometric).name


def orientation(page) -> int:
    """EXIF's orientation of a page, 1 (upright) to 8."""
    tag = page.tags.get(_ORIENTATION)
    value = 1 if tag is None else tag.value
    return value if value in range(1, 9) else 1


def _colours(page) -> tuple[tuple[int, int, int], ...]:
    # 16 bits in the file: v << 8 or v * 257, which agree in the high byte.
    colours = np.asarray(page.colormap).T >> 8
    return tuple(map(tuple, colours.tolist()))


def interpret(page, values: np.ndarray, path: str) -> Bands | Palette:
    """What the values of a page mean.

    Args:
      page: the header.
      values: [H, W] or [H, W, bands] of the page, or of a part of it.
      path: the name of the file, for messages.

    Raises:
      BadFileError: the header and the values do not go together.
    """
    if page.photometric == tifffile.PHOTOMETRIC.PALETTE:
        values = values[..., 0] if values.ndim == 3 else values
        return Palette(values.astype(np.uint8), _colours(page))
    return _bands(page, values, path)


def _bands(page, values: np.ndarray, path: str) -> Bands:
    values = values[..., None] if values.ndim == 2 else values
    if values.dtype == bool:
        values = values.astype(np.uint8)
    bits = int(max(np.ravel(page.bitspersample)))
    photometric, codec = _photometric(page), page.compression
    if photometric == "YCBCR":
        # imagecodecs turns JPEG's into RGB by itself.
        if tifffile.COMPRESSION(codec).name not in LOSSY:
            values = _from_ycbcr(values, bits, path)
        photometric = "RGB"
    if photometric == "MINISWHITE":
        values = _inverted(values, bits)
    count, declared = values.shape[-1], _COLOURS[photometric]
    if count < declared:
        raise BadFileError(
            f"{path} says that it is {photometric}, but has {count} bands."
        )
    # GDAL writes bands without a meaning as grey and extra ones.
    named = 3 if declared == 1 and count >= 3 else declared
    kinds = [_ALPHA.get(int(x), "") for x in page.extrasamples]
    kinds = kinds[named - declared :]
    at = next((i for i, kind in enumerate(kinds) if kind), None)
    alpha = "" if at is None else kinds[at]
    colour = {1: "grey", 3: "RGB", 4: "CMYK"}[named]
    nodata = page.nodata if _NODATA in page.tags else None
    place = -1 if at is None else named + at
    return Bands(values, colour, alpha, bits, nodata, place)


def _inverted(values: np.ndarray, bits: int) -> np.ndarray:
    """White and black exchanged; extra bands are not colours."""
    values = values.copy()
    if values.dtype.kind == "f":
        values[..., 0] = 1 - values[..., 0]
    else:
        values[..., 0] = 2**bits - 1 - values[..., 0]
    return values


def _from_ycbcr(values: np.ndarray, bits: int, path: str) -> np.ndarray:
    if bits != 8 or values.shape[-1] != 3:
        raise BadFileError(
            f"{path} is a TIFF of YCbCr with {values.shape[-1]} bands of "
            f"{bits} bits, which is not understood: save it as RGB."
        )
    image = Image.fromarray(np.ascontiguousarray(values), "YCbCr")
    return np.asarray(image.convert("RGB"))
