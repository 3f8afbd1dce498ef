"""COCO's `segmentation` field: polygons, or run lengths, packed or not."""

import math
from typing import Any

import numpy as np

from ipixmatch_jax.data.files.open_file import MAX_SIDE
from ipixmatch_jax.data.label_formats.run_lengths import (
    decode_runs,
    unpack_counts,
)
from ipixmatch_jax.utils.errors import RunError


def read_region(segmentation: Any, height: int, width: int) -> np.ndarray:
    """The pixels of one annotation, bool [height, width].

    Args:
      segmentation: a list of polygons, each a flat list x, y, x, y, ...; or
        an object of `size` [height, width] and `counts`, a list or packed.
      height: of the image, pixels.
      width: of the image, pixels.

    Raises:
      ValueError: it is none of these, or of another size; in words that
        follow a name.
      RunError: there are polygons, and pycocotools is not installed.
    """
    if isinstance(segmentation, list):
        return fill_polygons(segmentation, height, width)
    if not isinstance(segmentation, dict):
        raise ValueError("it holds neither polygons nor run lengths")
    size, counts = segmentation.get("size"), segmentation.get("counts")
    if size != [height, width]:
        raise ValueError(
            f"its run lengths are of {size} (height, width), and the image is "
            f"of {[height, width]}"
        )
    if isinstance(counts, str):
        counts = unpack_counts(counts)
    if not isinstance(counts, list):
        raise ValueError("its counts are neither a list nor text")
    return decode_runs(counts, height, width, by_columns=True)


def fill_polygons(polygons: list, height: int, width: int) -> np.ndarray:
    """The pixels that one of some polygons holds, drawn by pycocotools.

    Pixel (x, y) is the square from (x, y) to (x + 1, y + 1). It belongs to a
    polygon where its centre does, as far as vertices rounded to a fifth of a
    pixel tell.

    Arguments and errors as of `read_region`.
    """
    try:
        from pycocotools import mask
    except ImportError as error:
        raise RunError(
            "Polygons are drawn with pycocotools: install it with "
            "`pip install 'ipixmatch_jax[labels]'`."
        ) from error
    if not polygons:
        raise ValueError("it has no polygon")
    for polygon in polygons:
        _check_polygon(polygon)
    runs = mask.merge(mask.frPyObjects(polygons, height, width))
    return mask.decode(runs).astype(bool)


def _check_polygon(polygon: Any) -> None:
    # A whole number can be too large for isfinite().
    numbers = isinstance(polygon, list) and all(
        type(c) is int or (type(c) is float and math.isfinite(c))
        for c in polygon
    )
    if not numbers or len(polygon) % 2:
        raise ValueError("its polygon is not a list of x, y, x, y, ...")
    if len(polygon) < 6:  # pycocotools would take four numbers for a box.
        raise ValueError("its polygon has fewer than three points")
    # pycocotools ends the process on very large ones.
    if max(map(abs, polygon)) > 2 * MAX_SIDE:
        raise ValueError("its polygon lies far outside the image")
