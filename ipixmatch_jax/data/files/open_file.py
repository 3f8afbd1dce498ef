"""Files as bytes, and the sentences about what cannot be read."""

import io
import os
import stat
import struct
import zlib
from typing import BinaryIO

from PIL import Image

from ipixmatch_jax.data.source import BadFileError

MAX_PIXELS = 89_478_485  # Pillow's own bound: a quarter of a GiB as RGB.
MAX_SIDE = 65_535  # Pixels; JPEG's own bound.
MAX_BYTES = 2**30  # Of a file, and of the decoded bands of one.

# Exceptions that Pillow, tifffile and imagecodecs let through on files that
# are not what they say; found by mutating files, and by reading the readers.
MALFORMED = (
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,  # imagecodecs' errors are such
    SyntaxError,
    TypeError,
    ValueError,  # tifffile's are such
    struct.error,
    zlib.error,
)


def read_bytes(path: str) -> bytes:
    """The content of a file; pipes, sockets and devices are never opened.

    Raises:
      BadFileError: it is not a regular file, is empty or too large, or
        cannot be read.
    """
    with open_binary(path) as file:
        try:
            return file.read()
        except OSError as error:
            raise _unreadable(path, error) from error


def open_binary(
    path: str, data: bytes | None = None, *, windows: bool = False
) -> BinaryIO:
    """An open file, or its content as one.

    Args:
      path: of the file.
      data: its content; None opens the file.
      windows: it is not read whole, so it may be of any size.

    Raises:
      BadFileError: see `read_bytes`.
    """
    if data is not None:
        return io.BytesIO(data)
    try:
        _check_regular(path, os.stat(path), windows)
        return open(path, "rb")
    except OSError as error:
        raise _unreadable(path, error) from error


def _check_regular(path: str, status: os.stat_result, windows: bool) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise BadFileError(f"{path} is not a file.")
    if status.st_size == 0:
        raise BadFileError(f"{path} is empty: it holds 0 bytes.")
    if status.st_size > MAX_BYTES and not windows:
        raise BadFileError(
            f"{path} holds {status.st_size} bytes; the limit is {MAX_BYTES}: "
            "save it as a tiled TIFF (docs/satellites.md) or cut it into tiles."
        )


def check_size(path: str, width: int, height: int) -> None:
    """Raises BadFileError for an image of more pixels than are decoded."""
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise too_large(path, (width, height))


def too_large(path: str, size: tuple[int, int] | None = None) -> BadFileError:
    """The error for an image of too many pixels; `size` is (width, height)."""
    is_large = "is larger" if size is None else f"is {size[0]}x{size[1]}: more"
    return BadFileError(
        f"{path} {is_large} than {MAX_PIXELS:,} pixels or {MAX_SIDE:,} along a "
        "side; save it as a tiled TIFF (docs/satellites.md), cut it into tiles "
        "or make it smaller."
    )


def _unreadable(path: str, error: OSError) -> BadFileError:
    """The error for a file that the system does not give."""
    reason = error.strerror or error
    return BadFileError(f"{path} cannot be read: {reason}.")


def undecodable(path: str, error: Exception) -> BadFileError:
    """The error for a file that a reader gave up on, with its words."""
    return BadFileError(f"{path} cannot be decoded: {words(error)}.")


def words(error: Exception) -> str:
    """A library's message on one line; the exception's type if it is empty."""
    text = " ".join(str(error).split())
    return text.rstrip(".") or type(error).__name__
