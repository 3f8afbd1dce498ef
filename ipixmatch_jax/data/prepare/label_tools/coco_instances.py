"""COCO's lists of instances, as CVAT, Label Studio and others export them.

Polygons and run lengths are read, packed or not. Shapes that overlap are
painted as those of the official COCO are here (downloads/coco_masks.py): the
smaller lies on top, and what is marked `iscrowd` below all others. It keeps its
class, since CVAT marks every shape that was drawn with its brush so.

Classes are the categories in the order of their ids. A category is left
out if it has no annotations and only names a group of other categories, like
Roboflow's category 0. Coordinates are taken to be of the upright image.
"""

import functools
import posixpath
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from ipixmatch_jax.data.label_formats.coco_region import read_region
from ipixmatch_jax.data.prepare.label_tools import fields
from ipixmatch_jax.data.prepare.label_tools.export import (
    Export,
    NoAreaError,
    NotAnExportError,
    Picture,
    Rules,
    Shape,
    draw_shapes,
)
from ipixmatch_jax.data.prepare.label_tools.export_files import ExportFiles
from ipixmatch_jax.data.prepare.label_tools.photographs import (
    Photographs,
    is_safe,
    path_parts,
)
from ipixmatch_jax.utils.quoting import quote


def read_coco(
    files: ExportFiles, photographs: Photographs, rules: Rules
) -> Export:
    """Reads every list of instances of an export.

    Raises:
      ValueError: there is none, or one cannot be used; names the file.
    """
    lists = [
        (name, record)
        for name in files.with_ending(".json")
        if _is_list(record := files.read_json(name))
    ]
    if not lists:
        raise NotAnExportError(
            f"{files.source} holds no list of COCO: that is a JSON file with "
            "the fields images, annotations and categories."
        )
    pictures: list[Picture] = []
    labels: dict[str, None] = {}
    for name, record in lists:
        where = files.where(name)
        classes = _categories(record, where)
        labels |= dict.fromkeys(classes.values())
        shapes = _shapes(record, classes, where, rules)
        part = _part(name)
        for image in record["images"]:
            pictures.append(
                _picture(image, part, name, where, shapes, photographs, rules)
            )
    return Export(pictures, [(label, None) for label in labels])


def _is_list(record: Any) -> bool:
    return isinstance(record, dict) and all(
        isinstance(record.get(field), list)
        for field in ("images", "annotations", "categories")
    )


def _part(name: str) -> str:
    """The split of `train/_annotations.coco.json`, `instances_train.json`."""
    folder, base = posixpath.split(name)
    last = posixpath.splitext(base)[0].rpartition("_")[2]
    return folder.rpartition("/")[2] if base.startswith("_") else last


def _categories(record: Mapping[str, Any], where: str) -> dict[int, str]:
    """id -> name, by id."""
    rows = []
    for category in record["categories"]:
        name = fields.take(category, "name", str, f"{where}: a category")
        said = f"{where}: the category {quote(name)}"
        rows.append((fields.take(category, "id", int, said), name))
    found = dict(sorted(rows))
    if len(found) < len(rows):
        raise ValueError(
            f"{where} gives two categories the same id: export it again."
        )
    used = [
        note.get("category_id")
        for note in record["annotations"]
        if isinstance(note, dict)
    ]
    groups = [
        category.get("supercategory")
        for category in record["categories"]
        if category.get("supercategory") != category["name"]
    ]
    return {i: n for i, n in found.items() if n not in groups or i in used}


def _shapes(
    record: Mapping[str, Any],
    classes: Mapping[int, str],
    where: str,
    rules: Rules,
) -> dict[int, list[Shape]]:
    """The shapes of each image by its id, from the bottom up."""
    found = defaultdict(list)
    ids = [
        fields.take(image, "id", int, f"{where}: an image")
        for image in record["images"]
    ]
    known = set(ids)
    if len(known) < len(ids):
        raise ValueError(
            f"{where} gives two images the same id: export it again."
        )
    for k, note in enumerate(record["annotations"]):
        said = f"{where}: the annotation {k}"
        image = fields.take(note, "image_id", int, said)
        category = fields.take(note, "category_id", int, said)
        if category not in classes or image not in known:
            raise ValueError(
                f"{said} has the category {category} and the image {image}, "
                "and the file does not list both: export it again."
            )
        segmentation = note.get("segmentation")
        if not segmentation:
            if rules.lines == "skip":
                continue
            raise NoAreaError(said, "box or point without a segmentation")
        region = functools.partial(read_region, segmentation)
        shape = Shape(classes[category], region, said)
        area = fields.number(note.get("area", 0), f"{said}: area")
        found[image].append((not note.get("iscrowd"), -area, shape))
    return {
        image: [row[2] for row in sorted(rows, key=lambda row: row[:2])]
        for image, rows in found.items()
    }


def _picture(
    image: Any,
    part: str,
    name: str,
    where: str,
    shapes: Mapping[int, Sequence[Shape]],
    photographs: Photographs,
    rules: Rules,
) -> Picture:
    path = fields.take(image, "file_name", str, f"{where}: an image")
    said = f"{where}: the image {quote(path)}"
    number = fields.take(image, "id", int, said)
    # CVAT's lists lie in annotations/, and their images in images/SUBSET/.
    near = (posixpath.dirname(name), f"images/{part}", "images")
    photograph = photographs.find(path, where, near)
    height, width = (
        fields.whole_number(image.get(side), f"{said}: {side}")
        for side in ("height", "width")
    )
    draw = draw_shapes(shapes.get(number, ()), rules)
    parts = path_parts(path)
    # Label Studio can give paths of its own machine.
    safe = "/".join(parts) if is_safe(path) else parts[-1]
    return Picture(safe, part, photograph, where, (height, width), draw)
