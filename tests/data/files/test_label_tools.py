"""Folders that label tools have exported are recognised."""

import json
import os
import shutil

import pytest

from tests.data import own_folder as own
from tests.data.folder_helpers import (
    refused,
)


def labelme(root):
    shutil.rmtree(root / "masks")
    shape = {"label": "crack", "points": [[1, 1]], "shape_type": "polygon"}
    content = {"version": "5.0", "shapes": [shape], "imagePath": "0.jpg"}
    (root / "images/0.json").write_text(json.dumps(content))


def cvat(root):
    os.rename(root / "images", root / "JPEGImages")
    os.rename(root / "masks", root / "SegmentationClass")
    (root / "labelmap.txt").write_text(
        "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncrack:9,0,0::\n"
    )


def roboflow(root):
    os.rename(root / "images", root / "train")
    for path in (root / "masks").iterdir():
        os.rename(path, root / "train" / f"{path.stem}_mask.png")
    (root / "masks").rmdir()
    (root / "train/_classes.csv").write_text(
        "Pixel Value, Class\n0, background\n1, crack\n"
    )


def coco(root):
    shutil.rmtree(root / "masks")
    (root / "annotations").mkdir()
    content = {"images": [], "annotations": [], "categories": []}
    (root / "annotations/instances.json").write_text(json.dumps(content))


def yolo(root):
    shutil.rmtree(root / "masks")
    (root / "labels").mkdir()
    (root / "labels/0.txt").write_text("0 0.5 0.5 0.1 0.1\n")


def supervisely(root):
    os.rename(root / "images", root / "img")
    shutil.rmtree(root / "masks")
    (root / "ds0/ann").mkdir(parents=True)
    (root / "meta.json").write_text("{}")


def flat(root):
    for path in (root / "images").iterdir():
        os.rename(path, root / path.name)
    (root / "images").rmdir()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (labelme, ("images/0.json", "LabelMe")),
        (cvat, ("CVAT", "rename JPEGImages to images", '"crack": [9, 0, 0]')),
        (roboflow, ("Roboflow", "0_mask.png", '"background", "crack"')),
        (coco, ("annotations/instances.json", "COCO")),
        (yolo, ("labels/0.txt", "YOLO")),
        (supervisely, ("meta.json", "Supervisely")),
        (flat, ("8 images lie in", "move them to images/")),
    ],
)
def test_layouts_of_label_tools_are_recognised(change, words, tmp_path):
    own.make(tmp_path)
    change(tmp_path)
    sentence = refused(tmp_path, "images/", "masks/", words[0], words[1])
    if change is roboflow:
        assert '{"background": [0, 0, 0], "crack": [128, 0, 0]}' in sentence
    elif len(words) > 2:
        assert words[2] in sentence
