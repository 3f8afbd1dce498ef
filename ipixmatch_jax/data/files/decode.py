"""Image files to pixels; whatever is wrong with one is one sentence.

Images become 8-bit RGB: grey and palettes are spread, CMYK is converted, 16
bits keep their high byte, and alpha is dropped (the colours below it stay). As
one channel they become the luma of that, which leaves grey as it is. Two and
four channels are those of the file, grey or RGB and one more.
An EXIF rotation of an image is applied, as every viewer and labelling tool
does; masks have none, and one in a mask's file is not looked at. Of several
frames the first counts. The checksums of a PNG are verified, so that a damaged
one is never taken for whole; a JPEG has none, and flipped bits in its pixels
can go unseen.
"""

import io
import os
import stat
import struct
import zlib
from typing import IO

import numpy as np
from PIL import Image, UnidentifiedImageError

from ipixmatch_jax.data.source import MODES, BadFileError

# No more of Pillow's readers than data sets need: each is a way in.
IMAGE_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")
MASK_FORMATS = ("PNG", "BMP", "TIFF")  # Those that keep ids exactly.
MAX_PIXELS = 89_478_485  # Pillow's own bound: a quarter of a GiB as RGB.
MAX_SIDE = 65_535  # Pixels; JPEG's own bound.
MAX_BYTES = 2**30  # More than MAX_PIXELS need in any of the formats.

_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)
# What Pillow's readers let through on files that are not what they say;
# found by mutating files, and by reading the readers.
_MALFORMED = (
    *_BOMBS,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
_ORIENTATION = 0x0112  # The EXIF tag.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SWAPS = {_TURNS[i] for i in (5, 6, 7, 8)}  # They exchange width and height.
# Grey of 2 or 4 bits is spread over 0..255 by so much when it is read.
_SPREAD = {"L;2": 85, "L;4": 17}


def read_image(
    path: str, data: bytes | None = None, channels: int = 3
) -> Image.Image:
    """The image of a file, upright, of the mode that MODES has for it.

    Args:
      path: of the file; where the bytes are given, a name for messages.
      data: what the file holds; None reads it.
      channels: 1 to 4; 2 and 4 take files of just so many.

    Raises:
      BadFileError: names the file and the reason.
    """
    image, raw_mode, turn = _load(path, IMAGE_FORMATS, data)
    try:
        if channels in (2, 4):
            image = _raw(image, raw_mode, path, channels)
        else:
            image = _rgb(image, path)
            image = image.convert("L") if channels == 1 else image
    except BadFileError:
        raise
    except _MALFORMED as error:
        raise _undecodable(path, error) from error
    if turn is not None:
        image = image.transpose(turn)
    image.info = {}  # Nobody shall turn it, or judge its colours, twice.
    return image


def read_mask(path: str) -> Image.Image:
    """The ids in an indexed, grey or 1-bit file, mode "L".

    Raises:
      BadFileError: names the file and the reason.
    """
    mask, raw_mode, _ = _load(path, MASK_FORMATS)
    if mask.mode not in ("1", "L", "P"):
        raise BadFileError(
            f"The mask {path} has mode {mask.mode}; class ids need an "
            "indexed or grey 8-bit PNG."
        )
    # Through an array: converting a palette image would give luminance.
    ids = np.asarray(mask).astype(np.uint8) // _SPREAD.get(raw_mode, 1)
    return Image.fromarray(ids.astype(np.uint8))


def read_stored(path: str, data: bytes | None = None) -> Image.Image:
    """A mask whose values may be colours: mode "L", "P", "RGB" or "RGBA".

    Grey of 1, 2, 4 or 16 bits keeps its values, which must be below 256.
    Arguments as of `read_image`.

    Raises:
      BadFileError: names the file and the reason.
    """
    mask, raw_mode, _ = _load(path, MASK_FORMATS, data)
    if mask.mode in ("P", "RGB", "RGBA"):
        return mask
    if mask.mode == "L" and raw_mode not in _SPREAD:
        return mask
    if mask.mode == "LA":
        return mask.convert("RGBA")
    if mask.mode not in ("1", "L", "I") and not mask.mode.startswith("I;16"):
        raise BadFileError(
            f"The mask {path} has mode {mask.mode}; classes need ids, a "
            "palette or RGB colours."
        )
    ids = np.asarray(mask).astype(np.int64) // _SPREAD.get(raw_mode, 1)
    if ids.size and ids.max() > 255:
        raise BadFileError(
            f"The mask {path} holds the value {ids.max()}; ids of classes "
            "end at 255."
        )
    return Image.fromarray(ids.astype(np.uint8))


def read_size(path: str, data: bytes | None = None) -> tuple[int, int]:
    """(height, width) of what `read_image` gives, from the file's header.

    Arguments as of `read_image`.

    Raises:
      BadFileError: names the file and the reason.
    """
    with _file(path) if data is None else io.BytesIO(data) as file:
        image = _opened(file, path, IMAGE_FORMATS)
        turn = _turn(image)
        width, height = image.size
    return (width, height) if turn in _SWAPS else (height, width)


def _file(path: str) -> IO[bytes]:
    """An open file that is one: no folder, no pipe that would wait."""
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise BadFileError(f"{path} is not a file.")
        if status.st_size == 0:
            raise BadFileError(f"{path} is empty: it holds 0 bytes.")
        if status.st_size > MAX_BYTES:
            raise BadFileError(
                f"{path} holds {status.st_size} bytes; the limit is "
                f"{MAX_BYTES}."
            )
        return open(path, "rb")
    except OSError as error:
        reason = error.strerror or error
        raise BadFileError(f"{path} cannot be read: {reason}.") from error


def _opened(file: IO[bytes], path: str, formats: tuple) -> Image.Image:
    """The image with its header read, of a size that can be held."""
    try:
        image = Image.open(file, formats=IMAGE_FORMATS)
    except UnidentifiedImageError as error:
        raise BadFileError(
            f"{path} is not a readable image: it is none of "
            f"{', '.join(formats)}, or its head is damaged."
        ) from error
    except _BOMBS as error:
        raise _too_large(path) from error
    except _MALFORMED as error:
        raise BadFileError(
            f"{path} is not a readable image: {_words(error)}."
        ) from error
    if image.width * image.height > MAX_PIXELS or max(image.size) > MAX_SIDE:
        raise _too_large(path, image.size)
    if image.format not in (*formats, "MPO"):  # A JPEG of several pictures.
        raise BadFileError(
            f"The mask {path} is a {image.format} file, whose compression "
            "changes ids; save masks as PNG."
        )
    return image


def _read(path: str) -> bytes:
    with _file(path) as file:
        try:
            return file.read()
        except OSError as error:
            reason = error.strerror or error
            raise BadFileError(f"{path} cannot be read: {reason}.") from error


def _load(
    path: str, formats: tuple, data: bytes | None = None
) -> tuple[Image.Image, str, Image.Transpose | None]:
    """The decoded image, the stored mode, and what makes it upright."""
    data = _read(path) if data is None else data
    image = _opened(io.BytesIO(data), path, formats)
    size = image.size
    try:
        if image.format == "PNG":
            image.verify()  # Of use no more afterwards.
            image = _opened(io.BytesIO(data), path, formats)
        raw_mode = image.tile[0][3] if image.tile else ""
        if isinstance(raw_mode, tuple):  # JPEG, BMP, TIFF: and more
            raw_mode = raw_mode[0]
        turn = _turn(image)
        image.load()
    except BadFileError:
        raise
    except _MALFORMED as error:
        raise _undecodable(path, error) from error
    if image.size != size:
        raise BadFileError(
            f"{path} cannot be decoded: its header says "
            f"{size[0]}x{size[1]}, its pixels {image.width}x{image.height}."
        )
    return image, raw_mode if isinstance(raw_mode, str) else "", turn


def _rgb(image: Image.Image, path: str) -> Image.Image:
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    elif image.mode in ("I", "F"):
        raise BadFileError(
            f"{path} holds 32-bit values (mode {image.mode}); save it with 8 "
            "bits per channel."
        )
    if "transparency" in image.info and image.mode == "P":
        image = image.convert("RGBA")
    return image.convert("RGB")


def _raw(
    image: Image.Image, raw_mode: str, path: str, channels: int
) -> Image.Image:
    """All of two or four channels, none of them taken for alpha."""
    if channels == 4 and raw_mode.partition(";")[0] == "RGBX":
        # A TIFF that does not say what its fourth channel is; Pillow keeps
        # it in memory alone.
        data = image.tobytes("raw", "RGBX")
    elif image.mode == {2: "LA", 4: "RGBA"}[channels]:
        if raw_mode.startswith("RGBa"):
            raise BadFileError(
                f"{path} says that its colours are multiplied by its fourth "
                "channel, so they cannot be had as they were; save it with "
                "an extra channel that is no alpha."
            )
        data = image.tobytes()
    else:
        raise BadFileError(
            f"{path} has {len(image.getbands())} channels (mode {image.mode}),"
            f" and config.data.channels={channels} takes files of {channels}: "
            f"{'grey' if channels == 2 else 'RGB'} and one more."
        )
    return Image.frombytes(MODES[channels], image.size, data)


def _turn(image: Image.Image) -> Image.Transpose | None:
    """What makes the image upright; Pillow turns a TIFF by itself."""
    if image.format == "TIFF" or "exif" not in image.info:
        return None
    try:
        return _TURNS.get(image.getexif().get(_ORIENTATION))
    except _MALFORMED:  # A damaged tag of a picture that is whole.
        return None


def _too_large(path: str, size: tuple[int, int] | None = None) -> BadFileError:
    is_large = "is larger" if size is None else f"is {size[0]}x{size[1]}: more"
    return BadFileError(
        f"{path} {is_large} than {MAX_PIXELS:,} pixels or {MAX_SIDE:,} along a "
        "side; cut it into tiles or make it smaller."
    )


def _undecodable(path: str, error: Exception) -> BadFileError:
    return BadFileError(f"{path} cannot be decoded: {_words(error)}.")


def _words(error: Exception) -> str:
    """The library's words on one line, its kind where there are none."""
    words = " ".join(str(error).split())
    return words.rstrip(".") or type(error).__name__
