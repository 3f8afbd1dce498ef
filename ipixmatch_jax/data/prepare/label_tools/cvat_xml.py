"""CVAT's "CVAT for images 1.1": one XML file with all shapes.

Polygons, boxes, ellipses and masks are read. Shapes of a larger z_order are
painted over those of a smaller one, and of one z_order the later over the
earlier. An image without a shape has no labels.

CVAT turns images upright as their EXIF says, and so are its coordinates.
"""

import functools
import xml.etree.ElementTree as ET
from collections.abc import Sequence

import numpy as np

from ipixmatch_jax.data.files.class_list import Colour
from ipixmatch_jax.data.files.open_file import MAX_PIXELS
from ipixmatch_jax.data.label_formats.coco_region import fill_polygons
from ipixmatch_jax.data.label_formats.run_lengths import decode_runs
from ipixmatch_jax.data.prepare.label_tools import fields, paint
from ipixmatch_jax.data.prepare.label_tools.export import (
    Export,
    NoAreaError,
    Picture,
    Region,
    Rules,
    Shape,
    draw_shapes,
)
from ipixmatch_jax.data.prepare.label_tools.export_files import ExportFiles
from ipixmatch_jax.data.prepare.label_tools.photographs import Photographs
from ipixmatch_jax.utils.quoting import quote

_NO_AREA = ("polyline", "points", "cuboid", "skeleton")
_AREA = ("polygon", "box", "ellipse", "mask")


def read_xml(
    files: ExportFiles,
    photographs: Photographs,
    rules: Rules,
    sheets: Sequence[str],
) -> Export:
    """Reads the XML files of one export.

    Args:
      files: the export.
      photographs: the images.
      rules: see `Rules`.
      sheets: the XML files.

    Raises:
      ValueError: a file cannot be used; names it.
    """
    pictures: list[Picture] = []
    labels: dict[str, Colour | None] = {}
    for name in sheets:
        where = files.where(name)
        root = _root(files, name)
        if root.find("track") is not None:
            raise ValueError(
                f'{where} is "CVAT for video", whose tracks are not read: '
                'export the task as "CVAT for images 1.1".'
            )
        labels |= {n: c for n, c in _labels(root) if n not in labels}
        pictures += [
            _picture(image, where, labels, photographs, rules)
            for image in root.iter("image")
        ]
    return Export(pictures, list(labels.items()))


def _root(files: ExportFiles, name: str) -> ET.Element:
    data, where = files.read(name), files.where(name)
    if b"<!ENTITY" in data:  # CVAT writes none, and they can fill the memory.
        raise ValueError(f"{where} declares entities: export it again.")
    try:
        return ET.fromstring(data)
    except (ET.ParseError, LookupError) as error:  # of an unknown encoding
        raise ValueError(
            f"{where} is not whole ({error}): export it again."
        ) from error


def _labels(root: ET.Element) -> list[tuple[str, Colour | None]]:
    """The labels of the task or project, with their colours."""
    found = []
    for label in root.iterfind("meta//label"):
        name = (label.findtext("name") or "").strip()
        # Parts of a skeleton are labels too, and have a parent.
        if name and label.find("parent") is None:
            found.append((name, _colour(label.findtext("color") or "")))
    return found


def _colour(text: str) -> Colour | None:
    """A colour such as #fa3253."""
    try:
        red, green, blue = bytes.fromhex(text.strip().removeprefix("#"))
    except ValueError:
        return None
    return red, green, blue


def _picture(
    image: ET.Element,
    where: str,
    labels: dict[str, Colour | None],
    photographs: Photographs,
    rules: Rules,
) -> Picture:
    name, subset = image.get("name", ""), image.get("subset", "")
    said = f"{where}: the image {quote(name)}"
    near = (f"images/{subset}", "images")
    photograph = photographs.find(
        name, where, near, ways=', or export with "Save images"'
    )
    found = []
    for order, element in enumerate(image):
        shape = _shape(element, f"{said}, the {element.tag} {order}", rules)
        if shape is None:
            continue
        if shape.label not in labels:
            raise ValueError(
                f"{shape.where} has the label {quote(shape.label)}, which the "
                "head of the file does not list: export it again."
            )
        at = f"{shape.where}: z_order"
        found.append((fields.number(element.get("z_order", 0), at), shape))
    shapes = [shape for _, shape in sorted(found, key=lambda one: one[0])]
    height, width = (
        fields.whole_number(image.get(side), f"{said}: {side}")
        for side in ("height", "width")
    )
    draw = draw_shapes(shapes, rules)
    return Picture(name, subset, photograph, where, (height, width), draw)


def _shape(element: ET.Element, where: str, rules: Rules) -> Shape | None:
    """The shape of an element; None for a tag, or for one that is skipped."""
    kind = element.tag
    if kind == "tag" or element.get("outside") == "1":
        return None
    if kind in _NO_AREA:
        if rules.lines == "skip":
            return None
        raise NoAreaError(where, kind)
    if kind not in _AREA:
        raise ValueError(
            f"{where} is a {quote(kind)}, which is not read: draw it as a "
            "polygon."
        )
    region = _mask(element, where) if kind == "mask" else None
    if kind == "ellipse":
        x, y, along, across, degrees = _numbers(
            element, where, "cx", "cy", "rx", "ry", "rotation"
        )
        region = functools.partial(
            paint.fill_ellipse, (x, y), (along, across), degrees
        )
    if region is None:
        ring = _ring(element, where)
        flat = [c for point in ring for c in point]
        region = functools.partial(fill_polygons, [flat])
    return Shape(element.get("label", ""), region, where)


def _ring(element: ET.Element, where: str) -> list[paint.Point]:
    """The corners of a polygon or a box."""
    if element.tag == "polygon":
        pairs = element.get("points", "").split(";")
        return fields.points([pair.split(",") for pair in pairs], where)
    left, top, right, bottom, degrees = _numbers(
        element, where, "xtl", "ytl", "xbr", "ybr", "rotation"
    )
    try:
        corners = paint.box_corners(left, top, right, bottom)
    except ValueError as error:
        raise ValueError(f"{where}: {error}.") from error
    centre = ((left + right) / 2, (top + bottom) / 2)
    return paint.turn(corners, degrees, centre)


def _mask(element: ET.Element, where: str) -> Region:
    """Run lengths along the rows of a box inside the image."""
    left, top, width, height = (
        int(n)
        for n in _numbers(element, where, "left", "top", "width", "height")
    )
    if min(width, height) < 1 or width * height > MAX_PIXELS:
        raise ValueError(f"{where} has no size that an image can have.")
    counts = [
        fields.whole_number(n, f"{where}: rle")
        for n in element.get("rle", "").split(",")
    ]

    def draw(rows: int, columns: int) -> np.ndarray:
        bitmap = decode_runs(counts, height, width)
        return paint.place_bitmap(bitmap, left, top, rows, columns)

    return draw


def _numbers(element: ET.Element, where: str, *names: str) -> list[float]:
    """Attributes that are numbers; a rotation that is not there is 0."""
    return [
        fields.number(
            element.get(name, 0 if name == "rotation" else None),
            f"{where}: {name}",
        )
        for name in names
    ]
