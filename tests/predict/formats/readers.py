"""Readers of the formats that follow the tools' own, for tests without these.

test_label_tools.py holds the tools themselves to the same masks.
"""

import base64
import io
import json
import zipfile

import numpy as np
from PIL import Image, ImageDraw

from ipixmatch_jax.data.files.class_list import voc_colour
from ipixmatch_jax.data.label_formats.brush_rle import decode_brush
from tests.predict.formats.awkward import NAMES


def read_coco(path, names=NAMES):
    """{name of an image: (class ids, annotations)}, as pycocotools reads."""
    from pycocotools import coco

    index = coco.COCO(str(path))
    found = {}
    for image in index.loadImgs(index.getImgIds()):
        ids = np.zeros((image["height"], image["width"]), np.uint8)
        of_image = index.loadAnns(index.getAnnIds(imgIds=image["id"]))
        for one in of_image:
            (category,) = index.loadCats(one["category_id"])
            mask = index.annToMask(one).astype(bool)
            ids[mask] = names.index(category["name"])
        name = image["file_name"].rpartition(".")[0]
        found[name] = ids, of_image
    return found


def read_cvat(path):
    """{name: [(class name, bool [H, W])]}, and the lines of the labelmap."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    labelmap = files["labelmap.txt"].decode().splitlines()
    classes = {}
    for line in labelmap[1:]:
        name, colour, _, _ = line.split(":")
        classes[tuple(int(c) for c in colour.split(","))] = name
    assert len(classes) == len(labelmap) - 1, "two classes of one colour"
    numbers = {voc_colour(k): k for k in range(256)}
    names = files["ImageSets/Segmentation/default.txt"].decode().splitlines()
    found = {}
    for name in names:
        kinds = ("SegmentationClass", "SegmentationObject")
        painted, objects = (_pixels(files[f"{k}/{name}.png"]) for k in kinds)
        number = np.apply_along_axis(lambda c: numbers[tuple(c)], -1, objects)
        found[name] = []
        for k in np.unique(number[number > 0]):
            (colour,) = np.unique(painted[number == k], axis=0)
            label = classes[tuple(colour.tolist())]
            found[name].append((label, number == k))
    return found, labelmap


def _pixels(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def fill_shape(shape, size):
    """Bool [H, W] of a shape; sizes are (height, width)."""
    picture = Image.new("L", size[::-1])
    if shape["shape_type"] == "mask":
        (left, top), (right, bottom) = shape["points"]
        mask = Image.open(io.BytesIO(base64.b64decode(shape["mask"])))
        assert mask.size == (right - left + 1, bottom - top + 1)
        picture.paste(mask, (left, top))
    else:
        assert len(shape["points"]) > 2
        points = [tuple(point) for point in shape["points"]]
        ImageDraw.Draw(picture).polygon(points, fill=1, outline=1)
    return np.asarray(picture) > 0


def read_labelme(path, names=NAMES):
    """Class ids and shapes of a file."""
    value = json.loads(path.read_text("utf-8"))
    size = value["imageHeight"], value["imageWidth"]
    ids = np.zeros(size, np.uint8)
    for shape in value["shapes"]:
        ids[fill_shape(shape, size)] = names.index(shape["label"])
    return ids, value["shapes"]


def read_labelstudio(path, names=NAMES):
    """[(url, prediction, class ids)] of the tasks."""
    found = []
    for task in json.loads(path.read_text("utf-8")):
        (prediction,) = task["predictions"]
        ids = None
        for one in prediction["result"]:
            size = one["original_height"], one["original_width"]
            ids = np.zeros(size, np.uint8) if ids is None else ids
            mask = decode_brush(one["value"]["rle"], *size)
            (label,) = one["value"]["brushlabels"]
            ids[mask] = names.index(label)
        found.append((task["data"]["image"], prediction, ids))
    return found
