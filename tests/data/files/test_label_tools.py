"""Folders that label tools have exported are recognised."""

import json
import os
import pathlib
import shutil

import pytest

from tests.data import own_folder as own
from tests.data.folder_helpers import refused


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


def labelstudio(root):
    shutil.rmtree(root / "masks")
    result = {"value": {}, "original_width": 48}
    task = {"annotations": [{"result": [result]}], "data": {"image": "0.jpg"}}
    (root / "project.json").write_text(json.dumps([task]))


def cvat_xml(root):
    shutil.rmtree(root / "masks")
    (root / "annotations.xml").write_text(
        "<?xml version='1.0'?>\n<annotations>\n<version>1.1</version>"
        "<meta></meta></annotations>"
    )


def roboflow_coco(root):
    coco(root)
    os.rename(root / "images", root / "train")
    os.rename(
        root / "annotations/instances.json",
        root / "train/_annotations.coco.json",
    )


def voc(root):
    cvat(root)
    (root / "labelmap.txt").unlink()


@pytest.mark.parametrize(
    ("change", "tool", "file"),
    [
        (labelme, "labelme", "images/0.json"),
        (cvat, "cvat", "labelmap.txt"),
        (cvat_xml, "cvat", "annotations.xml"),
        (roboflow, "roboflow", "train/_classes.csv"),
        (roboflow_coco, "roboflow", "train/_annotations.coco.json"),
        (coco, "coco", "annotations/instances.json"),
        (labelstudio, "labelstudio", "project.json"),
    ],
)
def test_exports_that_are_read_are_answered_with_the_command(
    change, tool, file, tmp_path
):
    own.make(tmp_path)
    change(tmp_path)
    command = f"prepare {tool} --source {tmp_path} --out DIR`"
    refused(tmp_path, f"{tmp_path / file} looks like", command, "masks/")


def test_files_among_many_images_are_found(tmp_path):
    own.make(tmp_path, images=1, masks=1)
    labelme(tmp_path)
    os.rename(tmp_path / "images/0.json", tmp_path / "images/z.json")
    for i in range(250):
        (tmp_path / f"images/a{i}.jpg").write_bytes(b"x")
    refused(tmp_path, "z.json looks like a file of LabelMe", "masks/")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (voc, ("VOC", "rename JPEGImages to images")),
        (yolo, ("labels/0.txt", "YOLO")),
        (supervisely, ("meta.json", "Supervisely")),
        (flat, ("8 images lie in", "move them to images/")),
    ],
)
def test_other_layouts_are_answered_with_what_to_do(change, words, tmp_path):
    own.make(tmp_path)
    change(tmp_path)
    refused(tmp_path, "images/", "masks/", *words)


@pytest.mark.parametrize(
    ("change", "tool", "file"),
    [
        (labelme, "labelme", "images/0.json"),
        (cvat, "cvat", None),
        (cvat_xml, "cvat", "annotations.xml"),
        (roboflow, "roboflow", None),
        (roboflow_coco, "roboflow", "train/_annotations.coco.json"),
        (labelstudio, "labelstudio", "project.json"),
    ],
)
def test_a_zip_or_a_file_in_place_of_the_folder(change, tool, file, tmp_path):
    root = tmp_path / "root"
    own.make(root)
    change(root)
    path = pathlib.Path(shutil.make_archive(tmp_path / "it", "zip", root))
    for source in [path, *([root / file] if file else [])]:
        command = f"prepare {tool} --source {source} --out DIR`"
        refused(source, f"{source} looks like", command)


def test_another_file_in_place_of_the_folder(tmp_path):
    for name, content in (("a.zip", b"PK\x03\x04 cut"), ("a.txt", b"a")):
        (tmp_path / name).write_bytes(content)
        refused(tmp_path / name, f"{name} is not a folder. Give")
