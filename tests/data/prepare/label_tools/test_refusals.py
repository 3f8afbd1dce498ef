"""What cannot be used is said in one sentence, and nothing is written."""

import base64
import sys
import zipfile

import numpy as np
import pytest

from ipixmatch_jax.data.label_formats.brush_rle import encode_brush
from ipixmatch_jax.utils.errors import RunError
from tests.data.prepare.label_tools import exports, golden
from tests.data.prepare.label_tools.exports import (
    FLAT,
    PERCENT,
    SIZE,
    annotation,
    element,
    region,
    shape,
    task,
)

RGB = np.zeros((*SIZE[::-1], 3), np.uint8)


def mask_shape(size):
    content = base64.b64encode(exports.png(np.ones(size))).decode()
    return shape("crack", "mask", [[1, 1], [4, 3]], mask=content)


def runs(counts, size=SIZE[::-1]):
    return annotation({"size": list(size), "counts": counts})


TWO_LABELS = region("polygon", "crack", PERCENT)
TWO_LABELS["value"]["polygonlabels"] = ["crack", "leaf"]

LABELME = {
    "kind": (shape(kind="blob"), "a.json: the shape 0 is a 'blob'"),
    "line": (shape(kind="linestrip"), "linestrip.* has no area.*--lines skip"),
    "two points": (shape(points=[[1, 1], [2, 2]]), "fewer than three"),
    "circle": (shape(kind="circle"), "a circle, has 4 points"),
    "far": (
        shape(kind="circle", points=[[5, 5], [9e9, 5]]),
        "shape 0: its points lie far outside the image",
    ),
    "no number": (shape(points=[[1, "x"]] * 3), "'x', not a number"),
    "bool": (shape(points=[[1, True]] * 3), "True, not a number"),
    "digits": (shape(points=[[1, 10**400]] * 3), r"10+\.\.\., not a number"),
    "outside": (
        shape(points=[[90, 90], [99, 90], [90, 99]]),
        "shape 0 covers no pixel of .*a.jpg, and neither does any other",
    ),
    "no points": (shape(points=None), "no list of points"),
    "no label": ({"points": [], "shape_type": "polygon"}, "no 'label'"),
    "mask size": (mask_shape((3, 3)), "3x3 pixels, and its points span 4x3"),
    "mask bytes": (
        shape(kind="mask", points=[[1, 1], [4, 3]], mask="!"),
        "not a PNG in base 64",
    ),
}
CVAT = {
    "label": (element(label="root"), "label 'root', which the head"),
    "kind": (element("blob"), "is a 'blob'"),
    "line": (element("polyline", points="1,1;2,2"), "polyline.* has no area"),
    "points": (element(points="1,1;2"), "not x and y"),
    "few": (element(points="1,1;2,2"), "the polygon 0: .*fewer than three"),
    "box": (element("box", xtl=1, ytl=1, xbr=2), "ybr is None, not a num"),
    "flipped": (
        element("box", xtl=5, ytl=1, xbr=2, ybr=9),
        "the box 0: its width or height is below 0",
    ),
    "mask size": (
        element("mask", rle="9", left=0, top=0, width=10**6, height=10**6),
        "the mask 0 has no size that an image can have",
    ),
    "rle": (
        element("mask", rle="3,3", left=0, top=0, width=2, height=2),
        "the mask 0: its run lengths .* 2x2 = 4 pixels",
    ),
    "far": (element(points="1,1;2,2;9e9,1"), "far outside the image"),
    "nan": (element(points="1,1;2,2;nan,1"), "'nan', not a number"),
}
COCO = {
    "box": (annotation([]), r"annotation 0 \(box or point without"),
    "size": (runs([120], (12, 10)), r"\[12, 10\] .* of \[10, 12\]"),
    "sum": (runs([60]), "add up to the 12x10 = 120 pixels"),
    "packed": (runs("~~"), "packed run lengths hold '~'"),
    "packed sum": (runs("0000"), "add up to"),
    "cut": (runs("h"), "end early"),
    "odd": (annotation([FLAT[:-1]]), r"a list of x, y, x, y, \.\.\.$"),
    "digits": (annotation([[10**400, *FLAT[1:]]]), "lies far outside"),
    "nan": (annotation([[float("nan"), *FLAT[1:]]]), "not a list of x, y"),
    "four": (annotation([FLAT[:4]]), "fewer than three points"),
    "category": (annotation([FLAT], category=7), "the category 7 and the"),
    "image": (annotation([FLAT], image=7), "the category 1 and the image 7"),
}
STUDIO = {
    "brush": (
        region("brush", "crack", {"rle": encode_brush(np.ones((3, 3)))}),
        "region 0: its rle holds 36 values, and 12x10",
    ),
    "bytes": (region("brush", "crack", {"rle": [999]}), "not a list of bytes"),
    "key": (region("keypoint", "crack", {"x": 1, "y": 2}), "--lines skip"),
    "turned": (
        region("polygon", "crack", PERCENT, image_rotation=90),
        "turned by 90 degrees",
    ),
    "two": (
        TWO_LABELS,
        "a pixel has one class",
    ),
    "null": (region("polygon", None, PERCENT), r"has the labels \[None\]"),
    "flipped": (
        region(
            "rectangle",
            "crack",
            {"x": 50, "y": 50, "width": -20, "height": 10, "rotation": 0},
        ),
        "region 0: its width or height is below 0",
    ),
    "bitmask": (
        region("bitmask", "crack", {"imageDataURL": "data:image/png,"}),
        "is a 'bitmasklabels', which is not read",
    ),
    "bare bitmask": (
        {"id": "x", "type": "bitmask", "value": {"imageDataURL": ""}},
        "region 0 has no label",
    ),
    "bare": (
        {"id": "x", "type": "polygon", "value": PERCENT},
        "region 0 has no label",
    ),
    "size": (
        region("polygon", "crack", PERCENT, original_width=10),
        "labels of 10x10 pixels, and .*a.jpg is 12x10",
    ),
}


def refused(tool, source, out, words, **rules):
    """The one sentence; nothing may be left beside the export."""
    before = sorted(out.parent.iterdir())
    with pytest.raises(ValueError, match=words) as error:
        golden.prepared(tool, source, out, **rules)
    assert "\n" not in str(error.value) and str(error.value).endswith(".")
    assert sorted(out.parent.iterdir()) == before
    return str(error.value)


@pytest.mark.parametrize("case", LABELME)
def test_shapes_of_labelme(case, tmp_path):
    bad, words = LABELME[case]
    exports.labelme(tmp_path / "in", bad)
    refused("labelme", tmp_path / "in", tmp_path / "out", words)


@pytest.mark.parametrize("case", CVAT)
def test_shapes_of_cvat(case, tmp_path):
    bad, words = CVAT[case]
    exports.cvat(tmp_path / "in", ("a.jpg", "", bad))
    said = refused("cvat", tmp_path / "in", tmp_path / "out", words)
    assert "annotations.xml" in said


@pytest.mark.parametrize("case", COCO)
def test_annotations_of_coco(case, tmp_path):
    bad, words = COCO[case]
    exports.coco(tmp_path / "in/list.json", bad)
    said = refused("coco", tmp_path / "in", tmp_path / "out", words)
    assert "list.json" in said


@pytest.mark.parametrize("case", STUDIO)
def test_regions_of_label_studio(case, tmp_path):
    bad, words = STUDIO[case]
    exports.labelstudio(tmp_path / "in", task(bad))
    said = refused("labelstudio", tmp_path / "in", tmp_path / "out", words)
    assert "project.json: the task 1" in said


@pytest.mark.parametrize(
    ("tool", "words"),
    [
        ("labelme", "no file of LabelMe: .* shapes and imagePath"),
        ("cvat", "neither annotations.xml nor labelmap.txt: export"),
        ("coco", "no list of COCO: .* images, annotations and categories"),
        ("labelstudio", "no tasks of Label Studio: export"),
        ("roboflow", "neither _annotations.coco.json nor _classes.csv"),
    ],
)
def test_a_folder_that_is_not_an_export(tool, words, tmp_path):
    exports.photograph(tmp_path / "in/a.jpg")
    refused(tool, tmp_path / "in", tmp_path / "out", words)
    exports.write(tmp_path / "in/other.json", {"shapes": 3} | {"a": 1})
    if tool != "labelme":
        refused(tool, tmp_path / "in", tmp_path / "out", words)


def test_an_export_of_another_tool_is_named(tmp_path):
    exports.labelme(tmp_path / "in")
    words = "a.json looks like a file of LabelMe: `.*prepare labelme` reads it"
    refused("cvat", tmp_path / "in", tmp_path / "out", words)
    path = tmp_path / "in/a.json"
    refused("cvat", path, tmp_path / "out", words)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(path, "deep/a.json")
    words = words.replace("a.json", "a.zip")
    refused("cvat", tmp_path / "a.zip", tmp_path / "out", words)


def test_an_image_that_is_missing(tmp_path):
    cases = {
        "labelme": exports.labelme(tmp_path / "labelme"),
        "cvat": exports.cvat(tmp_path / "cvat", ("a.jpg", "", element())),
        "coco": exports.coco(tmp_path / "coco/list.json", annotation([FLAT])),
        "labelstudio": exports.labelstudio(tmp_path / "studio", task()),
    }
    for tool, root in cases.items():
        (path,) = root.rglob("a.jpg")
        path.unlink()
        words = "names the image '.*a.jpg', which is not in .*--images"
        refused(tool, root, tmp_path / "out", words)
    root = exports.cvat_masks(tmp_path / "masks", {"a": RGB})
    (root / "JPEGImages/a.jpg").unlink()
    words = "a.png is of the image 'a', which is not there: export with"
    refused("cvat", root, tmp_path / "out", words)


def test_files_that_are_not_whole(tmp_path):
    root = exports.labelme(tmp_path / "in")
    text = (root / "a.json").read_bytes()
    exports.write(root / "a.json", text[:-5])
    out = tmp_path / "out"
    refused("labelme", root, out, "a.json is not whole .*export it again")
    exports.write(root / "a.json", '{"shapes": ' + "1" * 5000 + "}")
    refused("labelme", root, out, "a.json is not whole .*export it again")
    exports.write(root / "a.json", b"\xff\xfe{}")
    refused("labelme", root, out, "a.json is not text in UTF-8")
    exports.write(root / "a.xml", "<annotations><meta></annotations>")
    refused("cvat", root, out, "a.xml is not whole")
    exports.write(root / "a.xml", '<!DOCTYPE a [<!ENTITY b "">]><annotations/>')
    refused("cvat", root, out, "a.xml declares entities")
    exports.write(tmp_path / "a.zip", b"PK\x03\x04 cut")
    refused("cvat", tmp_path / "a.zip", out, "a.zip is not a whole zip")
    exports.write(tmp_path / "a.rar", b"Rar!")
    refused("cvat", tmp_path / "a.rar", out, "neither a folder, a zip nor")
    exports.write(tmp_path / "r/a_mask.png", exports.png(RGB))
    exports.write(tmp_path / "r/_classes.csv", "a\n0, " + 200_000 * "x")
    refused("roboflow", tmp_path / "r", out, "_classes.csv is not a table")
    with pytest.raises(FileNotFoundError, match=r"nothing at .*gone"):
        golden.prepared("cvat", tmp_path / "gone", out)


def test_lists_of_label_studio_without_annotations(tmp_path):
    root, out = exports.labelstudio(tmp_path / "in"), tmp_path / "out"
    tasks = [{"id": 1, "image": "/a.jpg", "annotation_id": 2}]
    exports.write(root / "project.json", tasks)
    refused("labelstudio", root, out, '"JSON-MIN", .*export the project as')
    tasks = [{"data": {"image": "a.jpg"}, "predictions": []}]
    exports.write(root / "project.json", tasks)
    refused("labelstudio", root, out, "holds predictions alone: import it")
    tasks = [{"id": 1, "data": {"image": "a.jpg"}, "annotations": [7]}]
    exports.write(root / "project.json", tasks)
    refused("labelstudio", root, out, "the task 1 lists its annotations with")


def test_masks_of_cvat_that_do_not_fit(tmp_path):
    out, odd = tmp_path / "out", RGB.copy()
    odd[1, 1] = (1, 2, 3)
    root = exports.cvat_masks(tmp_path / "a", {"a": odd})
    refused("cvat", root, out, r"a.png holds the colour \(1, 2, 3\), which")
    root = exports.cvat_masks(tmp_path / "b", {"a": RGB[1:]})
    refused("cvat", root, out, "a.png is 12x9 pixels, and its image is 12x10")
    twice = "background:0,0,0::\ncrack:9,0,0::\nleaf:9,0,0::\n"
    root = exports.cvat_masks(tmp_path / "c", {"a": RGB}, twice)
    refused("cvat", root, out, "crack and leaf the same colour")
    root = exports.cvat_masks(tmp_path / "d", {"a": RGB}, "crack:9::\n")
    refused("cvat", root, out, "Line 1 of .*labelmap.txt")
    root = exports.cvat_masks(tmp_path / "e", {"a": RGB})
    for name in ("train", "val"):
        exports.write(root / f"ImageSets/Segmentation/{name}.txt", "a\n")
    refused("cvat", root, out, "both name a: an image belongs to one list")


def test_ids_of_coco_that_are_given_twice(tmp_path):
    out, path = tmp_path / "out", tmp_path / "in/list.json"
    exports.coco(path, annotation([FLAT]), names=("a.jpg", "b.jpg"))
    whole = path.read_text()
    exports.write(path, whole.replace('"id": 2', '"id": 1'))
    refused("coco", tmp_path / "in", out, "two images the same id")
    twice = [{"id": 1, "name": "crack"}, {"id": 1, "name": "leaf"}]
    exports.coco(path, annotation([FLAT]), categories=twice)
    refused("coco", tmp_path / "in", out, "two categories the same id")


def test_polygons_without_pycocotools(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    root = exports.cvat(tmp_path / "in", ("a.jpg", "", element()))
    with pytest.raises(
        RunError, match=r"pip install 'ipixmatch_jax\[labels\]'"
    ):
        golden.prepared("cvat", root, tmp_path / "out")
    assert list(tmp_path.iterdir()) == [root]
    exports.labelme(tmp_path / "other")  # LabelMe's are drawn with Pillow.
    golden.prepared("labelme", tmp_path / "other", tmp_path / "out")


def test_tracks_of_cvat(tmp_path):
    root = exports.cvat(tmp_path / "in")
    text = (root / "annotations.xml").read_text()
    text = text.replace("</annotations>", "<track></track></annotations>")
    exports.write(root / "annotations.xml", text)
    words = 'is "CVAT for video".*"CVAT for images 1.1"'
    refused("cvat", root, tmp_path / "out", words)


def test_a_folder_that_holds_files_is_not_overwritten(tmp_path):
    root = exports.labelme(tmp_path / "in")
    exports.write(tmp_path / "out/mine.txt", "mine")
    refused("labelme", root, tmp_path / "out", "holds files already: .*--out")
    assert golden.files(tmp_path / "out") == ["mine.txt"]


def test_an_image_in_two_files(tmp_path):
    root = exports.labelme(tmp_path / "in")
    exports.labelme(root, name="b", imagePath="a.jpg")
    words = "b.json and .*a.json both list the image .*a.jpg"
    refused("labelme", root, tmp_path / "out", words)


def test_two_images_of_one_name(tmp_path):
    root = exports.labelme(tmp_path / "in")
    exports.photograph(root / "a.png")
    words = "a.png and .*a.jpg would both be images/a"
    refused("labelme", root, tmp_path / "out", words)


def test_an_export_without_labels(tmp_path):
    root = exports.labelstudio(tmp_path / "in", task())
    words = "has no labels: label an image in the tool"
    refused("labelstudio", root, tmp_path / "out", words)
    root = exports.labelme(tmp_path / "one")
    words = r"has 1 label to train on \(crack\), and 2 to 253 are needed"
    refused("labelme", root, tmp_path / "out", words, uncovered="void")


def test_more_labels_than_there_are_ids(tmp_path):
    shapes = [shape(f"label {k:03}") for k in range(253)]
    root = exports.labelme(tmp_path / "in", *shapes)
    words = r"has 254 labels .*label 003, \.\.\.\), .*: give several of them"
    refused("labelme", root, tmp_path / "out", words)


def test_labels_without_a_name(tmp_path):
    root = exports.labelme(tmp_path / "in", shape(" "))
    words = "has a label without a name: name it in the label tool"
    refused("labelme", root, tmp_path / "out", words)


def test_labels_that_the_given_classes_lack(tmp_path):
    root = exports.labelme(tmp_path / "in", shape("Crack"))
    words = "the label 'Crack', which --classes does not name"
    refused("labelme", root, tmp_path / "out", words, classes=("crack",))
    words = "--classes names 'a' twice"
    refused("labelme", root, tmp_path / "out", words, classes=("a", "a"))
