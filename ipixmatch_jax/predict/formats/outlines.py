"""Outlines of masks as polygons that a person can drag.

An outline runs through the middles of the pixels' sides, so that it cuts the
corners of stairs: a slanted border is a straight line, and the centres of all
pixels stay on their side. Simplifying it (Douglas & Peucker 1973) moves it by
the tolerance at most, and by less where the mask is so small that the outline
would not fit it.

A polygon has no holes: a mask with holes is cut from top to bottom through
them, and the pieces are given apart.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    import shapely

DEFAULT_TOLERANCE = 0.5  # pixels
# The least IoU of a mask and its outlines, at the default tolerance or less
# and above it.
_LEAST_IOU, _LEAST_IOU_ABOVE = 0.99, 0.9
_NO_EFFECT = 0.25  # Outlines of pixels hardly change at smaller tolerances.

Rings = list[np.ndarray]


def trace_outlines(
    mask: np.ndarray,
    tolerance: float,
    draw: Callable[[Rings, tuple[int, int]], np.ndarray],
    inset: float = 0.0,
) -> Rings | None:
    """The polygons of a mask, or None where no polygons give it back.

    The tolerance is halved until the polygons, filled, and the mask have an
    IoU of 0.99; of 0.9 where a tolerance above the default asks for few
    corners.

    Args:
      mask: bool [h, w], pixels that are connected.
      tolerance: pixels by which a polygon may leave the mask.
      draw: fills rings as the reader of the format does: (rings, shape) ->
        bool [h, w].
      inset: pixels by which the polygons are shrunk, for readers that fill
        the pixels below a border too. Thin masks have no polygons then.

    Returns:
      one array float64 [n, 2] of (x, y) per polygon, without the first point
      again at the end; x runs from 0 to w over the pixels.
    """
    coarse = tolerance > DEFAULT_TOLERANCE
    least = _LEAST_IOU_ABOVE if coarse else _LEAST_IOU
    pieces = [(left, _outline(piece)) for left, piece in _cut_holes(mask)]
    while True:
        rings = [
            ring + np.array([left, 0])
            for left, outline in pieces
            for ring in _simplify(outline, tolerance, inset)
        ]
        filled = draw(rings, mask.shape)
        union = np.count_nonzero(filled | mask)
        if np.count_nonzero(filled & mask) >= least * union:
            return rings
        if tolerance == 0:
            return None
        tolerance = tolerance / 2 if tolerance > 2 * _NO_EFFECT else 0.0


def _cut_holes(mask: np.ndarray, left: int = 0) -> Iterator:
    """(first column, bool [h, w]) of connected pieces that have no holes."""
    holes = ndimage.binary_fill_holes(mask) & ~mask
    if not holes.any():
        yield left, mask
        return
    # The middle one of the holes' columns, so that few cuts are needed. A
    # mask reaches beyond its holes, so neither side is empty.
    columns = np.flatnonzero(holes.any(0))
    middle = int(columns[len(columns) // 2])
    for start, half in ((0, mask[:, :middle]), (middle, mask[:, middle:])):
        numbered, count = ndimage.label(half)
        boxes = ndimage.find_objects(numbered)
        for number, (_, box) in zip(range(1, count + 1), boxes, strict=True):
            yield from _cut_holes(
                numbered[:, box] == number, left + start + box.start
            )


def _outline(piece: np.ndarray) -> "shapely.Polygon":
    """The border of a connected mask without holes."""
    import shapely

    steps = np.diff(np.pad(piece.astype(np.int8), ((0, 0), (1, 1))))
    rows, starts = np.nonzero(steps == 1)
    _, ends = np.nonzero(steps == -1)
    whole = shapely.union_all(shapely.box(starts, rows, ends, rows + 1))
    return shapely.Polygon(_middles(whole.exterior))


def _simplify(
    outline: "shapely.Polygon", tolerance: float, inset: float
) -> Iterator[np.ndarray]:
    """The rings of an outline: several where it falls apart inside."""
    import shapely

    outline = outline.simplify(tolerance)
    if inset:
        outline = outline.buffer(-inset, join_style="mitre")
    for polygon in getattr(outline, "geoms", [outline]):
        if not polygon.is_empty:
            yield shapely.get_coordinates(polygon.exterior)[:-1]


def _middles(ring: "shapely.LinearRing") -> np.ndarray:
    """The middles of the pixels' sides along a ring, float64 [n, 2]."""
    import shapely

    corners = shapely.get_coordinates(shapely.segmentize(ring, 1.0))
    return (corners[:-1] + corners[1:]) / 2
