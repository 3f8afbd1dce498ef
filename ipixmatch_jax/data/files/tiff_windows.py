"""Windows of large TIFF files, read with rasterio without the rest.

tifffile reads the header and says what the bands mean, exactly as for files
that are decoded whole (tiff_reader.py); rasterio (GDAL) decodes the tiles that
a window touches. rasterio is in the extra `geo`.
"""

import os
import threading
import types
import warnings
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from ipixmatch_jax.data.band_image import BandImage
from ipixmatch_jax.data.files import decode, open_file, tiff_reader
from ipixmatch_jax.data.files.bands import Bands, Range
from ipixmatch_jax.data.files.tiff_reader import Palette
from ipixmatch_jax.data.source import BadFileError, pixels
from ipixmatch_jax.utils.errors import RunError

# Decoded tiles that GDAL keeps, in MB for the whole process: those of a window
# and its neighbour, of many bands. Its own choice is 5 % of the memory.
CACHE = "64"

# Tags that tiff_reader.interpret looks at: colours, extra samples, nodata.
_NEEDED = (320, 338, 42113)
# Scenes of more pixels are predicted and scored in parts (ours). Decoded whole,
# such a one of four 16-bit bands takes 134 MB, and its conversion more.
LARGE_SCENE = 4096 * 4096

# All threads share the filters of warnings, so one at a time changes them.
_WARNINGS = threading.Lock()


class Place(NamedTuple):
    """A rectangle of pixels.

    Attributes:
      top: first row.
      left: first column.
      height: rows.
      width: columns.
    """

    top: int
    left: int
    height: int
    width: int


class TiffWindows:
    """An open TIFF of any size, of which windows are read.

    Not for several threads at once: GDAL's files have a state.

    Attributes:
      path: of the file.
      size: (height, width) in pixels.
      georeference: crs, transform and gcps as rasterio writes them; empty
        where the file has none.
    """

    def __init__(
        self, path: str, channels: int, value_range: Range | None = None
    ):
        """Reads the header.

        Args:
          path: of the file.
          channels: of the images, see decode.read_image.
          value_range: the values that become 0 and 255, see the same.

        Raises:
          BadFileError: the file is damaged or not understood.
          RunError: rasterio is not installed.
        """
        self.path = path
        self._channels = channels
        self._range = value_range
        self._page = read_header(path)
        self._file = open_raster(path)
        self.size: tuple[int, int] = self._file.height, self._file.width
        self.georeference = find_georeference(self._file)

    def __enter__(self) -> "TiffWindows":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def read(self, place: Place) -> np.ndarray:
        """The pixels of a window, uint8 [h, w, C], as decode.read_image's.

        Raises:
          BadFileError: they cannot be decoded.
        """
        return pixels(self.read_image(place))

    def read_image(self, place: Place) -> Image.Image | BandImage:
        """The image of a window, as band_image.make_image gives it.

        Raises:
          BadFileError: it cannot be decoded.
        """
        bands = self.read_bands(place)
        return decode.from_bands(bands, self.path, self._channels, self._range)

    def read_bands(self, place: Place) -> Bands | Palette:
        """What the file holds in a window, not yet scaled.

        Raises:
          BadFileError: it cannot be decoded.
        """
        values = self._read_values(place)
        return tiff_reader.interpret(self._page, values, self.path)

    def find_gaps(self, place: Place) -> np.ndarray:
        """Where the file has no data in a window, bool [h, w].

        That is where the file's mask or alpha is 0 (alpha only where it is
        not a channel of the images), or where every band is nodata or NaN.

        Raises:
          BadFileError: it cannot be decoded.
        """
        missing = np.zeros((place.height, place.width), bool)
        if "float" in self._file.dtypes[0]:
            missing |= np.isnan(self._read_values(place)).all(-1)
        if self._has_mask():
            try:
                there = self._file.dataset_mask(window=_window(place))
            except _errors() as error:
                raise open_file.undecodable(self.path, error) from error
            missing |= there == 0
        return missing

    def _read_values(self, place: Place) -> np.ndarray:
        try:
            values = self._file.read(window=_window(place))
        except _errors() as error:
            raise open_file.undecodable(self.path, error) from error
        return np.moveaxis(values, 0, -1)

    def _has_mask(self) -> bool:
        """Whether GDAL's mask says where there is no data."""
        flags = {flag.name for flag in self._file.mask_flag_enums[0]}
        if "alpha" in flags:
            return self._channels in (1, 3)
        return bool(flags & {"nodata", "per_dataset"})


def read_size(path: str) -> tuple[int, int]:
    """(height, width) of a TIFF of any size, from its header.

    Raises:
      BadFileError: the header is damaged.
    """
    page = read_header(path)
    return page.imagelength, page.imagewidth


def is_deep(path: str) -> bool:
    """Whether a TIFF of any size holds more than 8 bits per band.

    Raises:
      BadFileError: the header is damaged.
    """
    return int(np.max(read_header(path).bitspersample)) > 8


def find_georeference(file: Any) -> dict[str, Any]:
    """What places a file of rasterio on the earth, as it takes it back."""
    found: dict[str, Any] = {}
    points, crs = file.gcps
    if points:
        return {"gcps": points, "crs": crs}
    if file.crs is not None:
        found["crs"] = file.crs
    if not file.transform.is_identity:
        found["transform"] = file.transform
    return found


def import_rasterio(path: str) -> types.ModuleType:
    """The package rasterio.

    Args:
      path: of the file that needs it, for the message.

    Raises:
      RunError: it is not installed.
    """
    # GDAL looks at it once, when the first tile is decoded.
    os.environ.setdefault("GDAL_CACHEMAX", CACHE)
    try:
        import rasterio
    except ImportError as error:
        raise RunError(
            f"{path} is read in windows, which needs rasterio: "
            "`pip install 'ipixmatch_jax[geo]'` brings it."
        ) from error
    return rasterio


def open_raster(path: str, mode: str = "r", **options: Any) -> Any:
    """Opens a GeoTIFF with rasterio.

    Args:
      path: of a local file.
      mode: "r" or "w".
      options: of rasterio.open.

    Raises:
      BadFileError: it cannot be opened.
      RunError: rasterio is not installed.
    """
    rasterio = import_rasterio(path)
    from rasterio.errors import NotGeoreferencedWarning

    with _WARNINGS, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        try:
            return rasterio.open(
                os.path.abspath(path), mode, driver="GTiff", **options
            )
        except _errors() as error:
            raise open_file.undecodable(path, error) from error


def _errors() -> tuple[type[Exception], ...]:
    from rasterio.errors import RasterioError

    return (*open_file.MALFORMED, RasterioError)


def _window(place: Place) -> Any:
    from rasterio.windows import Window

    return Window(place.left, place.top, place.width, place.height)


def read_header(path: str) -> Any:
    """The first page's header, for `tiff_reader.interpret`.

    Raises:
      BadFileError: it is damaged or not understood.
    """
    with (
        open_file.open_binary(path, windows=True) as file,
        tiff_reader.first_page(file, path, windows=True) as page,
    ):
        tiff_reader.check_page(page, path, windows=True)
        turned = tiff_reader.orientation(page)
        if turned != 1:
            raise BadFileError(
                f"{path} has the orientation {turned}, and files that are "
                "read in windows must be upright: save it turned."
            )
        for tag in page.tags:
            if tag.code in _NEEDED:
                _ = tag.value  # Read while the file is open, and kept.
        return page
