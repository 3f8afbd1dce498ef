"""LabelMe: a JSON file beside each image.

Later shapes are painted over earlier ones, as LabelMe's shapes_to_label does.
The label `__ignore__` is left out of training and `_background_` is the
background, as LabelMe's own labelme2voc treats them. Labels are sorted by name;
a labels.txt in the export, the file that LabelMe takes with --labels, gives
another order.

An image is read from its file, or from the JSON where only that holds it. Both
are as LabelMe shows them: turned upright as their EXIF says.
"""

import base64
import binascii
import functools
import posixpath
from collections.abc import Mapping
from typing import Any

import numpy as np

from ipixmatch_jax.data.files.stored_masks import read_stored
from ipixmatch_jax.data.prepare.label_tools import fields, paint
from ipixmatch_jax.data.prepare.label_tools.export import (
    Export,
    NoAreaError,
    NotAnExportError,
    Picture,
    Region,
    Rules,
    Shape,
    draw_shapes,
)
from ipixmatch_jax.data.prepare.label_tools.export_files import ExportFiles
from ipixmatch_jax.data.prepare.label_tools.photographs import (
    Photograph,
    Photographs,
    is_safe,
    path_parts,
)

LABELS = "labels.txt"
_NO_AREA = ("line", "linestrip", "point", "points")
_POINTS = {"rectangle": 2, "circle": 2, "oriented_rectangle": 4}
_ENDINGS = {b"\xff\xd8": ".jpg", b"\x89P": ".png", b"BM": ".bmp"}


def read_labelme(
    files: ExportFiles, photographs: Photographs, rules: Rules
) -> Export:
    """Reads every JSON file of LabelMe.

    Raises:
      ValueError: there is none, or one cannot be used; names the file.
    """
    pictures, found = [], set()
    for name in files.with_ending(".json"):
        record = files.read_json(name)
        if not isinstance(record, dict) or "shapes" not in record:
            continue
        picture, labels = _picture(record, name, files, photographs, rules)
        pictures.append(picture)
        found |= labels
    if not pictures:
        raise NotAnExportError(
            f"{files.source} holds no file of LabelMe: that is a JSON file "
            "with the fields shapes and imagePath, beside each image."
        )
    return Export(pictures, [(n, None) for n in _ordered(files, found)])


def _ordered(files: ExportFiles, found: set[str]) -> list[str]:
    """The labels as labels.txt has them, then the others by name."""
    lists = [n for n in files.names if posixpath.basename(n) == LABELS]
    listed: list[str] = []
    for name in lists[:1]:
        lines = files.read_text(name).splitlines()
        listed = [line.strip() for line in lines if line.strip()]
    return list(dict.fromkeys([*listed, *sorted(found)]))


def _picture(
    record: Mapping[str, Any],
    name: str,
    files: ExportFiles,
    photographs: Photographs,
    rules: Rules,
) -> tuple[Picture, set[str]]:
    """An image and the labels of its shapes."""
    where = files.where(name)
    shapes, labels = [], set()
    for k, shape in enumerate(fields.take(record, "shapes", list, where)):
        said = f"{where}: the shape {k}"
        label = fields.take(shape, "label", str, said)
        region = _region(shape, said, rules)
        if region is not None:
            shapes.append(Shape(label, region, said))
            labels.add(label)
    path = fields.take(record, "imagePath", str, where)
    photograph = _photograph(record, path, name, files, photographs)
    size = None
    if record.get("imageHeight") and record.get("imageWidth"):
        pair = (record["imageHeight"], record["imageWidth"])
        height, width = (fields.whole_number(n, where) for n in pair)
        size = (height, width)
    draw = draw_shapes(shapes, rules)
    picture = Picture(photograph.name, "", photograph, where, size, draw)
    return picture, labels


def _photograph(
    record: Mapping[str, Any],
    path: str,
    name: str,
    files: ExportFiles,
    photographs: Photographs,
) -> Photograph:
    """The image: its file, or what the JSON file holds of it."""
    where, folder = files.where(name), posixpath.dirname(name)
    near = _joined(folder, path)
    inside = record.get("imageData")
    found = None if near is None else photographs.at(near)
    if found is not None:
        return found
    if not inside:
        return photographs.find(near or path, where)
    try:
        content = base64.b64decode(inside, validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise ValueError(
            f"{where}: imageData is not an image in base 64 ({error})."
        ) from error
    # LabelMe keeps a TIFF as a JPEG or PNG inside the JSON.
    base = posixpath.splitext(path_parts(path)[-1])[0]
    ending = next((e for h, e in _ENDINGS.items() if content[:2] == h), ".png")
    return Photograph(files, posixpath.join(folder, base + ending), content)


def _joined(folder: str, path: str) -> str | None:
    """A path relative to a folder; None where it leads out of the export."""
    whole = posixpath.normpath(posixpath.join(folder, path.replace("\\", "/")))
    return whole if is_safe(whole) else None


def _region(
    shape: Mapping[str, Any], where: str, rules: Rules
) -> Region | None:
    """What draws a shape; None for one that is skipped."""
    kind = shape.get("shape_type") or "polygon"  # as of LabelMe before 3.0
    if kind in _NO_AREA:
        if rules.lines == "skip":
            return None
        raise NoAreaError(where, kind)
    points = fields.points(shape.get("points"), where)
    if kind == "mask":
        return functools.partial(_place, _bitmap(shape, points, where), points)
    if kind not in ("polygon", *_POINTS):
        raise ValueError(
            f"{where} is a {kind!r}, which is not read: draw it as a polygon."
        )
    if len(points) != _POINTS.get(kind, len(points)) or len(points) < 2:
        raise ValueError(f"{where}, a {kind}, has {len(points)} points.")
    if kind == "polygon" and len(points) < 3:
        raise ValueError(f"{where} has fewer than three points.")
    kind = "polygon" if kind == "oriented_rectangle" else kind
    return functools.partial(paint.fill_with_outline, kind, points)


def _place(
    bitmap: np.ndarray,
    points: list[tuple[float, float]],
    height: int,
    width: int,
) -> np.ndarray:
    left, top = map(int, points[0])
    return paint.place_bitmap(bitmap, left, top, height, width)


def _bitmap(
    shape: Mapping[str, Any], points: list[tuple[float, float]], where: str
) -> np.ndarray:
    """The bitmap of a shape of the kind mask, bool [h, w]."""
    text = fields.take(shape, "mask", str, where)
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(
            f"{where}: its mask is not a PNG in base 64 ({error})."
        ) from error
    values = read_stored(f"{where}: its mask", data).values
    bitmap = values.any(-1) if values.ndim == 3 else values.astype(bool)
    if len(points) != 2:
        raise ValueError(f"{where}, a mask, has {len(points)} points, not 2.")
    (x0, y0), (x1, y1) = (map(int, point) for point in points)
    if bitmap.shape != (y1 - y0 + 1, x1 - x0 + 1):
        height, width = bitmap.shape
        raise ValueError(
            f"{where}: its mask is {width}x{height} pixels, and its points "
            f"span {x1 - x0 + 1}x{y1 - y0 + 1}."
        )
    return bitmap
