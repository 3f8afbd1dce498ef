"""Predicts large TIFFs in windows and writes GeoTIFFs, block by block.

The image is read in windows, predicted, blended, and written as soon as no
later window changes a part, so memory grows with the width of the image alone
(blended_windows.py). The class map is a tiled GeoTIFF in the image's place:

    classes      uint8, the ids of classes, 255 (nodata) where the image has
                 no data; the colours of the classes as its palette
    confidence   uint8, 1 to 255 times the probability of the class, 0 (nodata)
                 where the image has no data
"""

import contextlib
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ipixmatch_jax.data.files.tiff_windows import (
    Place,
    TiffWindows,
    open_raster,
)
from ipixmatch_jax.data.source import IGNORE
from ipixmatch_jax.predict.blended_windows import (
    Finished,
    Grid,
    Predict,
    blend_windows,
)
from ipixmatch_jax.utils import atomic

BLOCK = 512  # Side of a block of the output in pixels.
_OVERLAP = 4  # Neighbours share this part of a window, unless told otherwise.


class Outputs(NamedTuple):
    """The files to write for one image.

    Attributes:
      classes: of the class map.
      confidence: of the confidence; None: not written.
    """

    classes: pathlib.Path
    confidence: pathlib.Path | None = None


def default_overlap(side: int) -> int:
    """Pixels that neighbouring windows share: a quarter of their side."""
    return side // _OVERLAP


def predict_tiff(
    image: TiffWindows,
    outputs: Outputs,
    run: Predict,
    palette: Sequence[tuple[int, int, int]],
    grid: Grid,
) -> None:
    """Predicts an open TIFF; the outputs are written whole or not at all.

    Args:
      image: the open file.
      outputs: what to write; the folders exist.
      run: places of windows of one shape -> their probabilities.
      palette: one (red, green, blue) in 0..255 per class id.
      grid: of the windows.

    Raises:
      BadFileError: the image cannot be decoded.
    """
    colours = {k: (*colour, 255) for k, colour in enumerate(palette)}
    with contextlib.ExitStack() as stack:
        classes = stack.enter_context(_create(outputs.classes, image, IGNORE))
        classes.write_colormap(1, {**colours, IGNORE: (0, 0, 0, 0)})
        confidence = None
        if outputs.confidence is not None:
            made = _create(outputs.confidence, image, 0)
            confidence = stack.enter_context(made)
        for done in blend_windows(grid, run):
            ids, levels = _levels(done)
            missing = image.find_gaps(done.place)
            ids[missing], levels[missing] = IGNORE, 0
            _write(classes, ids, done.place)
            if confidence is not None:
                _write(confidence, levels, done.place)


def _levels(done: Finished) -> tuple[np.ndarray, np.ndarray]:
    """Class ids, and their probability as 1 to 255."""
    ids = done.shares.argmax(-1).astype(np.uint8)
    levels = np.rint(255 * np.clip(done.shares.max(-1), 0, 1))
    return ids, np.maximum(levels, 1).astype(np.uint8)


@contextlib.contextmanager
def _create(
    path: pathlib.Path, image: TiffWindows, nodata: int
) -> Iterator[Any]:
    """A new GeoTIFF of one band in the image's place, open for writing."""
    height, width = image.size
    with atomic.replace_file(path) as partial:
        file = open_raster(
            str(partial),
            "w",
            width=width,
            height=height,
            count=1,
            dtype="uint8",
            nodata=nodata,
            tiled=True,
            blockxsize=BLOCK,
            blockysize=BLOCK,
            compress="deflate",
            bigtiff="if_safer",
            **image.georeference,
        )
        with file:
            yield file


def _write(file: Any, values: np.ndarray, place: Place) -> None:
    top, left, height, width = place
    rows, columns = (top, top + height), (left, left + width)
    file.write(values, 1, window=(rows, columns))
