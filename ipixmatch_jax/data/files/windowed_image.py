"""Images and masks in tiled TIFFs, of which each crop reads its part alone.

They stand in a Sample where Pillow's images stand otherwise, and `crop` gives
one. A file is read in windows if it is a tiled, lossless TIFF of more than
LARGE pixels; the values are those of decoding it whole (a lossy one may differ
from decoder to decoder, so it is decoded whole). It needs rasterio, without
which files up to the limit of decoding are decoded whole.
"""

import abc
import functools
import importlib.util
import os
import threading
from collections.abc import Callable, Iterator

import numpy as np
import tifffile
from PIL import Image

from ipixmatch_jax.data.band_image import BandImage
from ipixmatch_jax.data.files import (
    decode,
    open_file,
    tiff_reader,
    tiff_windows,
)
from ipixmatch_jax.data.files.bands import Bands, Range
from ipixmatch_jax.data.files.tiff_windows import Place, TiffWindows
from ipixmatch_jax.data.source import BadFileError

LARGE = 2048 * 2048  # Tiled TIFFs of more pixels are read in windows (ours).
OPEN = 64  # Files that stay open, over all threads of a process.
_BLOCK = 1024  # Side of the windows in which a whole file is looked through.
_LOOKED_AT = 16  # Windows of a file that are measured.
_ENDINGS = (".tif", ".tiff")

Box = tuple[int, int, int, int]  # left, top, right, bottom, as Pillow's.


class Windowed(abc.ABC):
    """What is read in windows of one file.

    Attributes:
      size: (width, height) in pixels.
    """

    def __init__(self, path: str):
        """Reads the header.

        Raises:
          BadFileError: it is damaged.
        """
        self._path = path
        height, width = tiff_windows.read_size(path)
        self.size = (width, height)

    @abc.abstractmethod
    def crop(self, box: Box) -> Image.Image | BandImage:
        """A part of it.

        Raises:
          BadFileError: it cannot be decoded.
        """

    def histogram(self) -> list[int]:
        """Counts of 0..255 channel by channel, as Pillow's, over all pixels."""
        counts = [self.crop(box).histogram() for box in _blocks(self.size)]
        return np.sum(counts, 0).tolist()


class WindowedImage(Windowed):
    """An image in a file that is read in windows."""

    def __init__(
        self, path: str, channels: int = 3, value_range: Range | None = None
    ):
        """Reads the header; arguments as of decode.read_image.

        Raises:
          BadFileError: it is damaged.
        """
        super().__init__(path)
        self._key = (path, channels, value_range)

    def crop(self, box: Box) -> Image.Image | BandImage:
        """A part of the image, as band_image.make_image gives it.

        Raises:
          BadFileError: it cannot be decoded.
        """
        return _open(*self._key).read_image(_place(box))

    def measured_bands(self) -> Bands:
        """The bands of some windows, one below the other, as stored."""
        boxes = list(_blocks(self.size))
        chosen = np.linspace(0, len(boxes) - 1, _LOOKED_AT).astype(int)
        found = [
            _open(*self._key).read_bands(_place(boxes[i]))
            for i in dict.fromkeys(chosen.tolist())
        ]
        # Palettes are not deep.
        bands = [one for one in found if isinstance(one, Bands)]
        rows = [b.values.reshape(-1, 1, b.values.shape[-1]) for b in bands]
        return bands[0]._replace(values=np.concatenate(rows))

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        """The whole image, decoded."""
        path, channels, value_range = self._key
        whole = decode.read_image(
            path, channels=channels, value_range=value_range
        )
        return np.asarray(whole, dtype)


class WindowedMask(Windowed):
    """A mask in a file that is read in windows."""

    def __init__(
        self,
        path: str,
        to_ids: Callable[[Bands | tiff_reader.Palette], Image.Image],
    ):
        """Reads the header.

        Args:
          path: of the file.
          to_ids: stored values of a part -> class ids, mode "L".

        Raises:
          BadFileError: it is damaged.
        """
        super().__init__(path)
        self._to_ids = to_ids

    def crop(self, box: Box) -> Image.Image:
        """The class ids of a part, mode "L".

        Raises:
          BadFileError: it cannot be decoded, or an id is not listed.
        """
        return self._to_ids(_open(self._path, 1, None).read_bands(_place(box)))

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        """The whole mask, uint8 [H, W]."""
        return np.asarray(self.crop((0, 0, *self.size)), dtype)


@functools.lru_cache(maxsize=4096)
def is_windowed(path: str) -> bool:
    """Whether crops of a file are read in windows.

    Raises:
      RunError: the file is too large to be decoded whole, and rasterio is not
        installed.
    """
    if not path.lower().endswith(_ENDINGS):
        return False
    try:
        page = tiff_windows.read_header(path)
    except BadFileError:  # Decoding it whole says why.
        return False
    pixels = page.imagelength * page.imagewidth
    fits = page.is_tiled and pixels > LARGE
    codec = tifffile.COMPRESSION(page.compression).name
    kind = tifffile.PHOTOMETRIC(page.photometric).name
    if not fits or codec in tiff_reader.LOSSY or kind == "YCBCR":
        return False
    if pixels > open_file.MAX_PIXELS:
        tiff_windows.import_rasterio(path)
    return importlib.util.find_spec("rasterio") is not None


def read_blocks(path: str) -> Iterator[Bands | tiff_reader.Palette]:
    """What a file that is read in windows holds, part by part.

    Raises:
      BadFileError: a part cannot be decoded.
    """
    height, width = tiff_windows.read_size(path)
    for box in _blocks((width, height)):
        yield _open(path, 1, None).read_bands(_place(box))


def _blocks(size: tuple[int, int]) -> Iterator[Box]:
    width, height = size
    for top in range(0, height, _BLOCK):
        for left in range(0, width, _BLOCK):
            right, bottom = left + _BLOCK, top + _BLOCK
            yield left, top, min(right, width), min(bottom, height)


def _place(box: Box) -> Place:
    left, top, right, bottom = box
    return Place(top, left, bottom - top, right - left)


def _open(path: str, channels: int, value_range: Range | None) -> TiffWindows:
    # A file of GDAL is for one thread, and not for a forked process.
    owner = os.getpid(), threading.get_ident()
    return _open_for(owner, path, channels, value_range)


@functools.lru_cache(maxsize=OPEN)
def _open_for(
    owner: tuple[int, int],
    path: str,
    channels: int,
    value_range: Range | None,
) -> TiffWindows:
    del owner  # The key alone needs it.
    return TiffWindows(path, channels, value_range)
