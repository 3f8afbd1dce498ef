"""COCO's list of instances: every connected part of a class is one.

Source: the data format of cocodataset.org, which pycocotools reads.
"""

import pathlib
from typing import Any

import numpy as np

from ipixmatch_jax.predict.formats import joined_json
from ipixmatch_jax.predict.formats.base import (
    LabelFormat,
    LabelledImage,
    Labelling,
)
from ipixmatch_jax.predict.formats.outlines import Rings, trace_outlines
from ipixmatch_jax.predict.formats.parts import Part, find_parts, run_lengths
from ipixmatch_jax.utils.file_names import printable

FOLDER = "coco"
_BY_IMAGE = f"{FOLDER}/by_image"
_ALL = f"{FOLDER}/annotations.json"


class Coco(LabelFormat):
    """`coco/annotations.json`: images, categories and annotations.

    A category's id is the class id plus one. `score` is the mean confidence.
    """

    purpose = "COCO's JSON"
    options = ("tolerance", "background")
    packages = ("pycocotools",)
    joined = (_ALL,)

    def image_files(self, name: str) -> tuple[str, ...]:
        """The JSON that holds the image and its annotations alone."""
        return (f"{_BY_IMAGE}/{name}.json",)

    def write_image(
        self, out: pathlib.Path, image: LabelledImage, labelling: Labelling
    ) -> None:
        """Writes the JSON of the image, whole or not at all."""
        height, width = image.ids.shape
        (file,) = self.image_files(image.name)
        value = {
            "image": {
                "file_name": printable(image.file_name),
                "width": width,
                "height": height,
            },
            "annotations": [
                _annotate(part, height, width, labelling.tolerance)
                for part in find_parts(image, labelling)
            ],
        }
        joined_json.write_compact(out / file, value)

    def join(self, out: pathlib.Path, labelling: Labelling) -> None:
        """Writes the list of all images, which are numbered from 1."""
        images: list[dict] = []
        annotations: list[dict] = []
        for one in joined_json.read_all(out / _BY_IMAGE):
            images.append({"id": len(images) + 1, **one["image"]})
            for annotation in one["annotations"]:
                ids = {"id": len(annotations) + 1, "image_id": len(images)}
                annotations.append(ids | annotation)
        value = {
            "info": {"description": f"Predictions of {labelling.model}"},
            "licenses": [],
            "categories": [
                {"id": k + 1, "name": labelling.class_names[k]}
                for k in labelling.annotated
            ],
            "images": images,
            "annotations": annotations,
        }
        joined_json.write_compact(out / _ALL, value)


def _annotate(
    part: Part, height: int, width: int, tolerance: float | None
) -> dict[str, Any]:
    rows, columns = part.mask.shape
    start = np.array([part.left, part.top])
    rings = None
    if tolerance is not None:
        rings = trace_outlines(part.mask, tolerance, fill_rings)
    return {
        "category_id": part.class_id + 1,
        "segmentation": _encode(part, height, width)
        if rings is None
        else [(ring + start).ravel().tolist() for ring in rings],
        "area": part.area,
        "bbox": [part.left, part.top, columns, rows],
        "iscrowd": 0,
        "score": part.score,
    }


def _encode(part: Part, height: int, width: int) -> dict[str, Any]:
    """Compressed run lengths."""
    from pycocotools import mask

    size = [height, width]
    runs = {"size": size, "counts": run_lengths(part, height, width)}
    packed = mask.frPyObjects(runs, height, width)
    return {"size": size, "counts": packed["counts"].decode("ascii")}


def fill_rings(rings: Rings, shape: tuple[int, int]) -> np.ndarray:
    """Fills polygons as pycocotools does, bool [h, w]."""
    from pycocotools import mask

    flat = [ring.ravel().tolist() for ring in rings]
    return mask.decode(mask.merge(mask.frPyObjects(flat, *shape))).astype(bool)
