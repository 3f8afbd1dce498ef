"""Label Studio: the export "JSON".

Polygons, rectangles, ellipses and brush strokes are read, in percent of the
image as Label Studio shows it, which a browser turns upright as its EXIF says.
Later regions are painted over earlier ones. Of several annotations of a task
the one marked as ground truth counts, else the one that was changed last;
cancelled annotations and predictions do not. A task without an annotation has
no labels. Labels are sorted by name, since the export does not hold the
labelling config.
"""

import functools
import posixpath
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any

from ipixmatch_jax.data.files import walk
from ipixmatch_jax.data.prepare.label_tools import fields
from ipixmatch_jax.data.prepare.label_tools.export import (
    Draw,
    Export,
    NoAreaError,
    NotAnExportError,
    Picture,
    Rules,
    Shape,
    draw_shapes,
)
from ipixmatch_jax.data.prepare.label_tools.export_files import ExportFiles
from ipixmatch_jax.data.prepare.label_tools.labelstudio_regions import (
    draw_region,
    kind_of,
)
from ipixmatch_jax.data.prepare.label_tools.photographs import (
    Photograph,
    Photographs,
    path_parts,
)
from ipixmatch_jax.utils.quoting import quote

_LABELS = (
    *("polygonlabels", "rectanglelabels", "ellipselabels"),
    *("brushlabels", "bitmasklabels", "keypointlabels", "vectorlabels"),
    "labels",
)
_NO_AREA = ("keypoint", "vector")
_PREFIX = 9  # Of "1a2b3c4d-photo.jpg", as an upload is called.


def read_labelstudio(
    files: ExportFiles, photographs: Photographs, rules: Rules
) -> Export:
    """Reads every list of tasks of an export.

    Raises:
      ValueError: there is none, or one cannot be used; names the file.
    """
    pictures, labels = [], set()
    for name in files.with_ending(".json"):
        tasks = files.read_json(name)
        where = files.where(name)
        if not _is_list(tasks, where):
            continue
        for task in tasks:
            picture, found = _picture(task, where, photographs, rules)
            pictures.append(picture)
            labels |= found
    if not pictures:
        raise NotAnExportError(
            f"{files.source} holds no tasks of Label Studio: export the "
            'project as "JSON".'
        )
    return Export(pictures, [(label, None) for label in sorted(labels)])


def _is_list(tasks: Any, where: str) -> bool:
    """Whether a file is a list of tasks.

    Raises:
      ValueError: it is Label Studio's "JSON-MIN", or holds predictions alone.
    """
    if not isinstance(tasks, list) or not tasks:
        return False
    if not all(isinstance(task, dict) for task in tasks):
        return False
    if all("annotation_id" in task and "id" in task for task in tasks):
        raise ValueError(
            f'{where} is Label Studio\'s "JSON-MIN", which does not say all '
            'that is needed: export the project as "JSON".'
        )
    if all("predictions" in t and "annotations" not in t for t in tasks):
        raise ValueError(
            f"{where} holds predictions alone: import it into Label Studio, "
            'correct and submit them there, and export the project as "JSON".'
        )
    return all("data" in t and "annotations" in t for t in tasks)


def _picture(
    task: Mapping[str, Any],
    where: str,
    photographs: Photographs,
    rules: Rules,
) -> tuple[Picture, set[str]]:
    """An image and the labels of its regions."""
    said = f"{where}: the task {task.get('id')}"
    photograph = _photograph(task, said, photographs)
    annotation = _annotation(task, said)
    size: tuple[int, int] | None = None
    shapes: list[Shape] = []
    draw: Draw | None = None
    if annotation is not None:
        results = fields.take(annotation, "result", list, said)
        shapes = _shapes(results, said, rules)
        sizes = {_size(r, said) for r in results if "original_width" in r}
        if len(sizes) > 1:
            raise ValueError(
                f"{said} has regions on images of two sizes: label it again."
            )
        size = next(iter(sizes), None)
        draw = draw_shapes(shapes, rules)
    picture = Picture(photograph.name, "", photograph, said, size, draw)
    return picture, {shape.label for shape in shapes}


def _size(result: Mapping[str, Any], where: str) -> tuple[int, int]:
    """The (height, width) of the image that a region lies on."""
    if result.get("image_rotation"):
        raise ValueError(
            f"{where} was labelled on an image that was turned by "
            f"{quote(result['image_rotation'])} degrees in Label "
            "Studio: turn it back there and check the labels."
        )
    height, width = (
        fields.whole_number(result.get(side), f"{where}: {side}")
        for side in ("original_height", "original_width")
    )
    return height, width


def _annotation(
    task: Mapping[str, Any], where: str
) -> Mapping[str, Any] | None:
    """The annotation that counts; see the head of the file."""
    every = fields.take(task, "annotations", list, where)
    if not all(isinstance(a, dict) for a in every):
        raise ValueError(
            f"{where} lists its annotations without their regions: export the "
            'project as "JSON".'
        )
    found = [a for a in every if not a.get("was_cancelled")]
    if not found:
        return None
    truths = [a for a in found if a.get("ground_truth")]
    return max(
        truths or found,
        key=lambda a: str(a.get("updated_at") or a.get("created_at") or ""),
    )


def _photograph(
    task: Mapping[str, Any], where: str, photographs: Photographs
) -> Photograph:
    """The one image of a task."""
    data = fields.take(task, "data", dict, where)
    paths = [_path(value) for value in data.values() if isinstance(value, str)]
    images = list(dict.fromkeys(p for p in paths if walk.ending(p)))
    images = [p for p in images if walk.ending(p) in walk.ENDINGS]
    if len(images) != 1:
        raise ValueError(
            f"{where} names {len(images)} images in its data, and one is "
            "needed: export a project with one image per task."
        )
    (path,) = images
    found = photographs.look_up(path, where)
    if found is None:  # The name that the file had before it was uploaded.
        folder, base = posixpath.split(path)
        if base[_PREFIX - 1 : _PREFIX] == "-":
            before = posixpath.join(folder, base[_PREFIX:])
            found = photographs.look_up(before, where)
    return found or photographs.find(path, where)


def _path(address: str) -> str:
    """The path in an address: of uploads, of local files, or in a bucket."""
    split = urllib.parse.urlsplit(address)
    local = urllib.parse.parse_qs(split.query).get("d")
    path = local[0] if local else urllib.parse.unquote(split.path)
    return "/".join(path_parts(path))


def _shapes(results: Sequence[Any], where: str, rules: Rules) -> list[Shape]:
    """The regions of an annotation from the bottom up."""
    shapes, drawn, bare = [], set(), {}
    for k, result in enumerate(results):
        said = f"{where}, the region {k}"
        value = fields.take(result, "value", dict, said)
        number = str(result.get("id", k))
        key = next((name for name in _LABELS if name in value), None)
        if key is None:
            # <Labels> beside <Polygon>, and choices of a region, give the
            # region once more under its id.
            if kind_of(value) or "imageDataURL" in value:
                bare[number] = said
            continue
        drawn.add(number)
        shape = _shape(result, value, value[key], said, rules)
        shapes += [] if shape is None else [shape]
    for number, said in bare.items():
        if number not in drawn:
            raise ValueError(f"{said} has no label: give it one.")
    return shapes


def _shape(
    result: Mapping[str, Any],
    value: Mapping[str, Any],
    labels: Any,
    where: str,
    rules: Rules,
) -> Shape | None:
    kind = kind_of(value)
    if kind in _NO_AREA:
        if rules.lines == "skip":
            return None
        raise NoAreaError(where, kind)
    if not kind:
        raise ValueError(
            f"{where} is a {quote(result.get('type'))}, which is not read: "
            "draw it as a polygon or with the brush."
        )
    one = isinstance(labels, list) and len(labels) == 1
    if not one or not isinstance(labels[0], str):
        raise ValueError(
            f"{where} has the labels {quote(labels)}, and a pixel has "
            "one class: give the region one label."
        )
    region = functools.partial(draw_region, kind, value, where)
    return Shape(labels[0], region, where)
