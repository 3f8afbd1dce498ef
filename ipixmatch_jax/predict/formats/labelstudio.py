"""Label Studio's tasks with predictions: a brush stroke per class.

    labelstudio/tasks.json   the tasks to import
    labelstudio/labels.xml   the labelling interface with the classes

A class has one stroke in an image, not one per connected part: Label Studio
holds each stroke as a picture of the whole image, and hundreds are slow.

Source: the label_studio_sdk: converter.brush, converter.imports.coco and
label_interface, which checks predictions.
"""

import os
import pathlib
import urllib.parse
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np

from ipixmatch_jax.data.label_formats.brush_rle import encode_brush
from ipixmatch_jax.predict.formats import joined_json
from ipixmatch_jax.predict.formats.base import (
    LabelFormat,
    LabelledImage,
    Labelling,
)
from ipixmatch_jax.predict.formats.parts import mean_confidence
from ipixmatch_jax.utils.atomic import write_file
from ipixmatch_jax.utils.file_names import printable

FOLDER = "labelstudio"
_BY_IMAGE = f"{FOLDER}/by_image"
_TASKS = f"{FOLDER}/tasks.json"
_INTERFACE = f"{FOLDER}/labels.xml"
_LOCAL_FILES = "/data/local-files/?d="
_TAG, _IMAGE = "label", "image"  # names of the interface's two parts


class LabelStudio(LabelFormat):
    """`labelstudio/tasks.json`, to be imported, and `labels.xml`."""

    purpose = "tasks for Label Studio"
    options = ("background", "image_url")
    joined = (_TASKS, _INTERFACE)

    def image_files(self, name: str) -> tuple[str, ...]:
        """The JSON that holds the task of the image."""
        return (f"{_BY_IMAGE}/{name}.json",)

    def write_image(
        self, out: pathlib.Path, image: LabelledImage, labelling: Labelling
    ) -> None:
        """Writes the task of the image, whole or not at all."""
        (file,) = self.image_files(image.name)
        every = np.ones(image.ids.shape, bool)
        task = {
            "data": {_IMAGE: _url(image, labelling.image_url)},
            "predictions": [
                {
                    "model_version": labelling.model,
                    "score": mean_confidence(image.confidence, every),
                    "result": _strokes(image, labelling),
                }
            ],
        }
        joined_json.write_compact(out / file, task)

    def join(self, out: pathlib.Path, labelling: Labelling) -> None:
        """Writes the tasks of all images, and the interface."""
        tasks = list(joined_json.read_all(out / _BY_IMAGE))
        joined_json.write_compact(out / _TASKS, tasks)
        write_file(out / _INTERFACE, describe_interface(labelling).encode())


def _strokes(
    image: LabelledImage, labelling: Labelling
) -> list[dict[str, Any]]:
    height, width = image.ids.shape
    strokes = []
    for class_id in labelling.annotated:
        mask = image.ids == class_id
        if mask.any():
            value = {
                "format": "rle",
                "rle": encode_brush(mask),
                "brushlabels": [labelling.class_names[class_id]],
            }
            stroke = {
                "id": f"class{class_id}",
                "from_name": _TAG,
                "to_name": _IMAGE,
                "type": "brushlabels",
                "original_width": width,
                "original_height": height,
                "image_rotation": 0,
                "score": mean_confidence(image.confidence, mask),
                "value": value,
            }
            strokes.append(stroke)
    return strokes


def _url(image: LabelledImage, prefix: str) -> str:
    """Where Label Studio finds the image.

    Without a prefix that is below its folder of local files, which is the one
    that holds the folder of the images.
    """
    name = printable(image.file_name)
    if not prefix:
        path = pathlib.Path(os.path.abspath(image.path)).as_posix()
        folder = pathlib.PurePosixPath(path.removesuffix(image.file_name)).name
        prefix = _LOCAL_FILES + urllib.parse.quote(printable(folder)) + "/"
    # The keys of a cloud's buckets are not URLs; they stand as they are.
    if prefix.startswith(("/", "http:", "https:")):
        name = urllib.parse.quote(name)
    return prefix + name


def describe_interface(labelling: Labelling) -> str:
    """The XML of Label Studio's labelling interface, with the classes."""
    labels = [
        f"    <Label value={quoteattr(labelling.class_names[k])} "
        f'background="#{bytes(labelling.palette[k]).hex()}"/>'
        for k in labelling.annotated
    ]
    return "\n".join(
        [
            "<View>",
            f'  <Image name="{_IMAGE}" value="${_IMAGE}" zoom="true"/>',
            f'  <BrushLabels name="{_TAG}" toName="{_IMAGE}">',
            *labels,
            "  </BrushLabels>",
            "</View>\n",
        ]
    )
