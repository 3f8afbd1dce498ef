"""Reads labels with the label tools' own readers; run in their environment.

    python read_with_tools.py labelme|cvat|labelstudio FOLDER OUT.npz

FOLDER is what the format was written to. For every image the class ids that
the tool sees go to OUT.npz, in which the names of classes have the numbers of
FOLDER/names.json. This file imports nothing of the project, and the project
nothing of the tools.
"""

import json
import pathlib
import sys
import zipfile

import numpy as np


def read_labelme(folder, numbers):
    from labelme._label_file import read_label_file

    try:
        from labelme.utils import shapes_to_label
    except ImportError:  # LabelMe 7
        from labelme._utils.shape import shapes_to_label

    root = folder / "labelme"
    for path in root.rglob("*.json"):
        label_file = read_label_file(str(path))
        value = json.loads(path.read_text("utf-8"))
        size = value["imageHeight"], value["imageWidth"]
        ids, _ = shapes_to_label(size, label_file.shapes, numbers)
        yield path.relative_to(root).with_suffix("").as_posix(), ids


def read_cvat(folder, numbers):
    from datumaro.components.annotation import AnnotationType
    from datumaro.components.dataset import Dataset

    unpacked = folder / "unpacked"
    with zipfile.ZipFile(folder / "cvat.zip") as archive:
        archive.extractall(unpacked)
    data = Dataset.import_from(str(unpacked), "voc_segmentation")
    labels = data.categories()[AnnotationType.label].items
    for item in data:
        masks = [
            (numbers[labels[one.label].name], np.asarray(one.image, bool))
            for one in item.annotations
            if one.type == AnnotationType.mask
        ]
        ids = sum(number * mask for number, mask in masks)
        yield item.id, ids if masks else np.zeros((0, 0))


def read_labelstudio(folder, numbers):
    from label_studio_sdk.converter import brush
    from label_studio_sdk.label_interface import LabelInterface

    root = folder / "labelstudio"
    interface = LabelInterface((root / "labels.xml").read_text("utf-8"))
    interface.validate()
    for task in json.loads((root / "tasks.json").read_text("utf-8")):
        (prediction,) = task["predictions"]
        errors = interface.validate_prediction(prediction, return_errors=True)
        assert not errors, errors
        ids = np.zeros((0, 0))
        for one in prediction["result"]:
            # As the converter flattens a result before it decodes it.
            flat = {**one, **one["value"]}
            layers = brush.decode_from_annotation("label", [flat])
            (mask,) = layers.values()
            ids = ids if ids.size else np.zeros(mask.shape)
            ids[mask > 0] = numbers[one["value"]["brushlabels"][0]]
        yield task["data"]["image"].split("?d=")[1], ids


def main():
    tool, folder, out = sys.argv[1:]
    folder = pathlib.Path(folder)
    names = json.loads((folder / "names.json").read_text("utf-8"))
    numbers = {name: k for k, name in enumerate(names)}
    read = globals()[f"read_{tool}"]
    found = list(read(folder, numbers))
    arrays = {str(k): ids for k, (_, ids) in enumerate(found)}
    np.savez(out, names=[name for name, _ in found], **arrays)


if __name__ == "__main__":
    main()
