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
import re
from collections.abc import Mapping, Sequence
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
from ipixmatch_jax.utils.counts import count_of
from ipixmatch_jax.utils.quoting import quote

LABELS = "labels.txt"
_OURS = {"shapes", "imagePath"}
_NO_AREA = ("line", "linestrip", "point", "points")
_POINTS = {"rectangle": 2, "circle": 2, "oriented_rectangle": 4}
# What labelme_export_json makes of a JSON file.
_DRAWN = re.compile(r"_json/(img|label|label_viz)\.png$")
_ENDINGS = {b"\xff\xd8": ".jpg", b"\x89P": ".png", b"BM": ".bmp"}


def read_labelme(
    files: ExportFiles, photographs: Photographs, rules: Rules
) -> Export:
    """Reads every JSON file of LabelMe.

    Raises:
      ValueError: there is none, or one cannot be used; names the file.
    """
    pictures, found, others = [], set(), []
    for name in files.with_ending(".png"):
        if _DRAWN.search(name):
            photographs.exclude(files, name)
    for name in files.with_ending(".json"):
        record = files.read_json(name)
        if not isinstance(record, dict) or not _OURS & record.keys():
            others.append(files.where(name))
            continue
        picture, seen = _picture(record, name, files, photographs, rules)
        pictures.append(picture)
        found |= seen
    if not pictures:
        raise NotAnExportError(
            f"{files.source} holds no file of LabelMe: that is a JSON file "
            "with the fields shapes and imagePath, beside each image."
        )
    labels = [(n, None) for n in _ordered(files, found)]
    return Export(pictures, labels, notes=_passed_over(others))


def _passed_over(others: Sequence[str]) -> tuple[str, ...]:
    if not others:
        return ()
    be = "is" if len(others) == 1 else "are"
    return (
        f"{count_of(len(others), 'JSON file')} {be} not of LabelMe and "
        f"{be} not read, the first {others[0]}.",
    )


def _ordered(files: ExportFiles, found: set[str]) -> list[str]:
    """The labels as labels.txt has them, then the others by name."""
    lists = [n for n in files.names if posixpath.basename(n) == LABELS]
    lines = [li for n in lists for li in files.read_text(n).splitlines()]
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
        height, width = (
            fields.whole_number(record[side], f"{where}: {side}")
            for side in ("imageHeight", "imageWidth")
        )
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
    head = _embedded(record, where)[:2]
    # LabelMe keeps a TIFF as a JPEG or PNG inside the JSON.
    base = posixpath.splitext(path_parts(path)[-1])[0]
    ending = next((e for h, e in _ENDINGS.items() if head == h), ".png")
    # Read again where it is copied, so that one image at a time is held.
    content = functools.partial(_read_embedded, files, name)
    return Photograph(files, posixpath.join(folder, base + ending), content)


def _read_embedded(files: ExportFiles, name: str) -> bytes:
    return _embedded(files.read_json(name), files.where(name))


def _embedded(record: Mapping[str, Any], where: str) -> bytes:
    """The image that a JSON file holds."""
    try:
        return base64.b64decode(record["imageData"], validate=True)
    except (binascii.Error, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{where}: imageData is not an image in base 64 ({error})."
        ) from error


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
        text = fields.take(shape, "mask", str, where)
        if len(points) != 2:
            raise ValueError(f"{where}, a mask, has {len(points)} points.")
        return functools.partial(_draw_bitmap, text, points)
    if kind not in ("polygon", *_POINTS):
        raise ValueError(
            f"{where} is a {quote(kind)}, which is not read: draw it as a "
            "polygon."
        )
    if len(points) != _POINTS.get(kind, len(points)) or len(points) < 2:
        raise ValueError(f"{where}, a {kind}, has {len(points)} points.")
    if kind == "polygon" and len(points) < 3:
        raise ValueError(f"{where} has fewer than three points.")
    kind = "polygon" if kind == "oriented_rectangle" else kind
    return functools.partial(paint.fill_with_outline, kind, points)


def _draw_bitmap(
    text: str, points: list[tuple[float, float]], height: int, width: int
) -> np.ndarray:
    """A shape of the kind mask: a PNG between two corners, both included."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(
            f"its mask is not a PNG in base 64 ({error})"
        ) from error
    values = read_stored("its mask", data).values
    bitmap = values.any(-1) if values.ndim == 3 else values.astype(bool)
    (left, top), (right, bottom) = (map(int, point) for point in points)
    if bitmap.shape != (bottom - top + 1, right - left + 1):
        rows, columns = bitmap.shape
        raise ValueError(
            f"its mask is {columns}x{rows} pixels, and its points span "
            f"{right - left + 1}x{bottom - top + 1}"
        )
    return paint.place_bitmap(bitmap, left, top, height, width)
