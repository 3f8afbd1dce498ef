"""The regions of Label Studio, in percent of the image's width and height."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ipixmatch_jax.data.label_formats.brush_rle import decode_brush
from ipixmatch_jax.data.label_formats.coco_region import fill_polygons
from ipixmatch_jax.data.prepare.label_tools import fields, paint


def kind_of(value: Mapping[str, Any]) -> str:
    """What a region is, by its fields; "" for none that is known."""
    if "rle" in value:
        return "brush"
    if "points" in value:
        return "polygon"
    if "vertices" in value:
        return "vector"
    if "radiusX" in value:
        return "ellipse"
    if "height" in value:
        return "rectangle"
    return "keypoint" if "x" in value else ""


def draw_region(
    kind: str, value: Mapping[str, Any], where: str, height: int, width: int
) -> np.ndarray:
    """The pixels of a region, bool [height, width].

    Args:
      kind: "brush", "polygon", "rectangle" or "ellipse".
      value: the field `value` of its result.
      where: names it in messages.
      height: of the image, pixels.
      width: of the image, pixels.

    Raises:
      ValueError: it cannot be drawn.
    """
    if kind == "brush":
        return decode_brush(value["rle"], height, width)
    return _OUTLINES[kind](value, where, height, width)


def _polygon(
    value: Mapping[str, Any], where: str, height: int, width: int
) -> np.ndarray:
    ring = fields.points(value["points"], where)
    flat = [c for x, y in ring for c in (x * width / 100, y * height / 100)]
    return fill_polygons([flat], height, width)


def _rectangle(
    value: Mapping[str, Any], where: str, height: int, width: int
) -> np.ndarray:
    """A rectangle, turned around its top left corner."""
    x, y, along, down, degrees = _numbers(
        value, where, "x", "y", "width", "height", "rotation"
    )
    left, top = x * width / 100, y * height / 100
    right, bottom = left + along * width / 100, top + down * height / 100
    corners = paint.box_corners(left, top, right, bottom)
    ring = paint.turn(corners, degrees, (left, top))
    return fill_polygons([[c for point in ring for c in point]], height, width)


def _ellipse(
    value: Mapping[str, Any], where: str, height: int, width: int
) -> np.ndarray:
    x, y, along, down, degrees = _numbers(
        value, where, "x", "y", "radiusX", "radiusY", "rotation"
    )
    centre = (x * width / 100, y * height / 100)
    radii = (along * width / 100, down * height / 100)
    return paint.fill_ellipse(centre, radii, degrees, height, width)


_OUTLINES = {
    "polygon": _polygon,
    "rectangle": _rectangle,
    "ellipse": _ellipse,
}


def _numbers(value: Mapping[str, Any], where: str, *names: str) -> list[float]:
    """Fields that are numbers; a rotation that is not there is 0."""
    return [
        fields.number(
            value.get(name, 0 if name == "rotation" else None),
            f"{where}: {name}",
        )
        for name in names
    ]
