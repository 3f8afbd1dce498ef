"""LabelMe's JSON files, one per image.

Every connected part of a class is a shape: a `mask`, which is exact, or with
a tolerance a `polygon`, whose corners can be dragged. The pieces of a part
that has holes share a `group_id`. The mean confidence of a part stands in its
`description`, which LabelMe shows and keeps.

Source: read_label_file and shapes_to_label of the program LabelMe 5 to 7,
which turns images upright and fills polygons as Pillow does.
"""

import base64
import contextlib
import io
import os
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from ipixmatch_jax.predict.formats.base import (
    LabelFormat,
    LabelledImage,
    Labelling,
)
from ipixmatch_jax.predict.formats.joined_json import write_compact
from ipixmatch_jax.predict.formats.outlines import Rings, trace_outlines
from ipixmatch_jax.predict.formats.parts import Part, find_parts
from ipixmatch_jax.utils.atomic import write_file
from ipixmatch_jax.utils.file_names import printable

FOLDER = "labelme"
_NAMES = f"{FOLDER}/labels.txt"
_VERSION = "5.5.0"  # LabelMe's; later ones read the same fields.
# LabelMe fills every pixel that the border touches, so borders run through
# the centres of the outer pixels.
_INSET = 0.5


class LabelMe(LabelFormat):
    """`labelme/a/b.json` for the image `a/b.jpg`, and the list of labels."""

    purpose = "LabelMe's JSON files"
    options = ("tolerance", "background")
    joined = (_NAMES,)

    def image_files(self, name: str) -> tuple[str, ...]:
        """The JSON file."""
        return (f"{FOLDER}/{name}.json",)

    def write_image(
        self, out: pathlib.Path, image: LabelledImage, labelling: Labelling
    ) -> None:
        """Writes the JSON file, whole or not at all."""
        (file,) = self.image_files(image.name)
        path = out / file
        height, width = image.ids.shape
        shapes = [
            shape
            for number, part in enumerate(find_parts(image, labelling))
            for shape in _shapes(part, number, labelling)
        ]
        value = {
            "version": _VERSION,
            "flags": {},
            "shapes": shapes,
            "imagePath": printable(_relative(image.path, path.parent)),
            "imageData": None,
            "imageHeight": height,
            "imageWidth": width,
        }
        write_compact(path, value)

    def join(self, out: pathlib.Path, labelling: Labelling) -> None:
        """Writes the list for LabelMe's option --labels."""
        names = [labelling.class_names[k] for k in labelling.annotated]
        text = "".join(f"{name}\n" for name in names)
        write_file(out / _NAMES, text.encode())


def _relative(image: str, folder: pathlib.Path) -> str:
    """The path of an image from a folder, links resolved, with slashes."""
    there, name = os.path.split(os.path.abspath(image))
    there, here = os.path.realpath(there), os.path.realpath(folder)
    with contextlib.suppress(ValueError):  # another drive of Windows
        there = os.path.relpath(there, here)
    return pathlib.Path(there, name).as_posix()


def _shapes(
    part: Part, number: int, labelling: Labelling
) -> Iterator[dict[str, Any]]:
    rings = None
    if labelling.tolerance is not None:
        rings = trace_outlines(
            part.mask, labelling.tolerance, fill_rings, _INSET
        )
    start = np.array([part.left, part.top])
    shared = {
        "label": labelling.class_names[part.class_id],
        "description": f"confidence {part.score:.4f}",
        "flags": {},
    }
    if rings is None:
        end = start + part.mask.shape[::-1] - 1
        points = [start.tolist(), end.tolist()]
        png = _encode(part.mask)
        yield shared | _geometry("mask", points, None, png)
        return
    group = number if len(rings) > 1 else None
    for ring in rings:
        points = np.round(ring + start, 3).tolist()
        yield shared | _geometry("polygon", points, group, None)


def _geometry(kind: str, points: list, group: int | None, png: str | None):
    return {
        "shape_type": kind,
        "points": points,
        "group_id": group,
        "mask": png,
    }


def _encode(mask: np.ndarray) -> str:
    """A mask as PNG of 0 and 1, in base64."""
    data = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8)).save(data, format="PNG")
    return base64.b64encode(data.getvalue()).decode("ascii")


def fill_rings(rings: Rings, shape: tuple[int, int]) -> np.ndarray:
    """Fills polygons as LabelMe does, bool [h, w]."""
    picture = Image.new("L", shape[::-1])
    draw = ImageDraw.Draw(picture)
    for ring in rings:
        draw.polygon([tuple(point) for point in ring], fill=1, outline=1)
    return np.asarray(picture).astype(bool)
