"""Draws shapes into masks: bool [height, width].

Coordinates are (x, y) in pixels, and pixel (x, y) is the square from (x, y)
to (x + 1, y + 1). There are two rules for the pixels on the border:

- LabelMe's shapes are drawn with Pillow, as LabelMe's own labelme.utils does:
  coordinates are rounded to pixels, and the outline belongs to the shape
  (`fill_with_outline`).
- Polygons and boxes of all other tools are drawn with pycocotools, as CVAT
  draws its own: a pixel belongs to them where its centre does
  (label_formats/coco_region.py). So it is for ellipses.

Bitmaps and run lengths are exact. Parts outside the image are cut off.
"""

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from ipixmatch_jax.data.files.open_file import MAX_SIDE

Point = tuple[float, float]


def box_corners(
    left: float, top: float, right: float, bottom: float
) -> list[Point]:
    """The corners of an upright box, clockwise from its top left one.

    Raises:
      ValueError: its right side is left of its left one, or the bottom above
        the top; in words that follow a name.
    """
    if right < left or bottom < top:
        raise ValueError("its width or height is below 0")
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def turn(points: Sequence[Point], degrees: float, around: Point) -> list[Point]:
    """Turns points clockwise, as seen on an image whose y runs down."""
    cos = math.cos(math.radians(degrees))
    sin = math.sin(math.radians(degrees))
    x0, y0 = around
    return [
        (
            x0 + (x - x0) * cos - (y - y0) * sin,
            y0 + (x - x0) * sin + (y - y0) * cos,
        )
        for x, y in points
    ]


def fill_ellipse(
    centre: Point,
    radii: Point,
    degrees: float,
    height: int,
    width: int,
) -> np.ndarray:
    """The pixels whose centres an ellipse holds.

    Args:
      centre: (x, y).
      radii: along x and along y, before the ellipse is turned.
      degrees: by which it is turned clockwise.
      height: of the image.
      width: of the image.

    Raises:
      ValueError: a radius is not above 0.
    """
    if min(radii) <= 0:
        raise ValueError("its radii are not above 0")
    y, x = np.mgrid[:height, :width] + 0.5
    x, y = x - centre[0], y - centre[1]
    cos = math.cos(math.radians(degrees))
    sin = math.sin(math.radians(degrees))
    along = (x * cos + y * sin) / radii[0]
    across = (y * cos - x * sin) / radii[1]
    return along**2 + across**2 <= 1


def place_bitmap(
    bitmap: np.ndarray, left: int, top: int, height: int, width: int
) -> np.ndarray:
    """A small bitmap, bool [h, w], at its place in an image."""
    whole = np.zeros((height, width), bool)
    bottom, right = top + bitmap.shape[0], left + bitmap.shape[1]
    rows = slice(max(top, 0), max(min(bottom, height), 0))
    columns = slice(max(left, 0), max(min(right, width), 0))
    whole[rows, columns] = bitmap[
        rows.start - top : rows.stop - top,
        columns.start - left : columns.stop - left,
    ]
    return whole


def fill_with_outline(
    kind: str, points: Sequence[Point], height: int, width: int
) -> np.ndarray:
    """A shape of LabelMe; see the head of this file.

    Args:
      kind: "polygon", "rectangle" or "circle", whose two points are the
        centre and one of the circle.
      points: as LabelMe keeps them.
      height: of the image.
      width: of the image.

    Raises:
      ValueError: a point lies so far outside that it would take minutes.
    """
    if max(abs(c) for point in points for c in point) > 2 * MAX_SIDE:
        raise ValueError("its points lie far outside the image")
    image = Image.new("L", (width, height))
    draw = ImageDraw.Draw(image)
    if kind == "polygon":
        draw.polygon(list(points), outline=1, fill=1)
    else:
        (x0, y0), (x1, y1) = points
        if kind == "circle":
            radius = math.dist(points[0], points[1])
            x0, x1 = x0 - radius, x0 + radius
            y0, y1 = y0 - radius, y0 + radius
        box = ((min(x0, x1), min(y0, y1)), (max(x0, x1), max(y0, y1)))
        fill = draw.ellipse if kind == "circle" else draw.rectangle
        fill(box, outline=1, fill=1)
    return np.asarray(image, bool)
