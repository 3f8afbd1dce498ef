"""Which image an export names, and where it lies in the prepared folder."""

import json

import pytest

from tests.data.folder_helpers import names, opened
from tests.data.prepare.label_tools import exports, golden
from tests.data.prepare.label_tools.exports import (
    FLAT,
    PERCENT,
    RECTANGLE,
    annotation,
    element,
    region,
    task,
)


@pytest.mark.parametrize(
    "address",
    [
        "/data/upload/1/0a1b2c3d-a.jpg",
        "/data/local-files/?d=deep/a.jpg",
        "/data/local-files/?d=set%2Fdeep%2Fa.jpg",
        "s3://bucket/deep/a.jpg",
        "https://example.org/deep/a.jpg?token=1",
        "C:\\photos\\deep\\a.jpg",
    ],
)
def test_addresses_of_label_studio(address, tmp_path):
    exports.labelstudio(
        tmp_path / "in", task(region("polygon", "a", PERCENT), image=address)
    )
    (tmp_path / "in/deep").mkdir()
    (tmp_path / "in/a.jpg").rename(tmp_path / "in/deep/a.jpg")
    golden.prepared("labelstudio", tmp_path / "in", tmp_path / "out")
    assert golden.files(tmp_path / "out")[1:] == [
        *("images/deep/a.jpg", "masks/deep/a.png"),
    ]


def test_an_image_that_could_be_two_files(tmp_path):
    exports.labelstudio(tmp_path / "in", task(image="/data/x/a.jpg"))
    exports.photograph(tmp_path / "in/one/a.jpg")
    exports.photograph(tmp_path / "in/two/a.jpg")
    (tmp_path / "in/a.jpg").unlink()
    with pytest.raises(ValueError, match=r"one/a.jpg, .*two/a.jpg could each"):
        golden.prepared("labelstudio", tmp_path / "in", tmp_path / "out")


def test_the_folders_tell_the_nearest_image(tmp_path):
    address = "/data/local-files/?d=two/a.jpg"
    one = task(region("polygon", "a", PERCENT), image=address)
    exports.labelstudio(tmp_path / "in", one)
    (tmp_path / "in/a.jpg").unlink()
    exports.photograph(tmp_path / "in/one/a.jpg", (9, 9))
    exports.photograph(tmp_path / "in/two/a.jpg")
    golden.prepared("labelstudio", tmp_path / "in", tmp_path / "out")
    assert golden.files(tmp_path / "out")[1:] == [
        *("images/one/a.jpg", "images/two/a.jpg", "masks/two/a.png"),
    ]


ROBOFLOW = [
    {"id": 0, "name": "cracks", "supercategory": "none"},
    {"id": 1, "name": "crack", "supercategory": "cracks"},
    {"id": 2, "name": "leaf", "supercategory": "cracks"},
]


def test_splits_of_roboflow_coco(tmp_path):
    for part, listed in (("train", "abc"), ("valid", "de"), ("test", "f")):
        exports.coco(
            tmp_path / f"in/{part}/_annotations.coco.json",
            annotation([FLAT]),
            names=[f"{name}_jpg.rf.0a.jpg" for name in listed],
            categories=ROBOFLOW,
        )
    lines = golden.prepared("roboflow", tmp_path / "in", tmp_path / "out")
    assert lines == [
        "train: 1 labelled image, 3 without labels",
        "val: 1 labelled image, 0 without labels",
        "test: 1 labelled image, 0 without labels",
        "classes: 0 background, 1 crack, 2 leaf",
        "1 image of val is not labelled, and is put with the unlabelled ones "
        "of training.",
    ]
    data = opened(tmp_path / "out")
    assert names(data.val) == ["val/images/d_jpg.rf.0a.jpg"]
    assert names(data.test) == ["test/images/f_jpg.rf.0a.jpg"]
    assert len(data.unlabelled) == 3
    golden.equal(tmp_path / "out/masks/a_jpg.rf.0a.png", RECTANGLE)


def test_masks_of_roboflow(tmp_path):
    for part, name in (("train", "a"), ("valid", "b")):
        exports.photograph(tmp_path / f"in/{part}/{name}.jpg")
        exports.photograph(tmp_path / f"in/{part}/{name}2.jpg", seed=3)
        exports.write(
            tmp_path / f"in/{part}/{name}_mask.png",
            exports.png(2 * RECTANGLE),
        )
        exports.write(
            tmp_path / f"in/{part}/_classes.csv",
            "Pixel Value, Class\n0, background\n1, leaf\n2, crack\n",
        )
    golden.prepared("roboflow", tmp_path / "in", tmp_path / "out")
    assert list(golden.classes(tmp_path / "out")) == [
        "background",
        "leaf",
        "crack",
    ]
    assert golden.files(tmp_path / "out") == [
        "classes.json",
        *("images/a.jpg", "images/a2.jpg", "images/b2.jpg", "masks/a.png"),
        *("val/images/b.jpg", "val/masks/b.png"),
    ]
    golden.equal(tmp_path / "out/val/masks/b.png", 2 * RECTANGLE)


def test_subsets_of_cvat(tmp_path):
    exports.cvat(
        tmp_path / "in",
        ("a.jpg", 'subset="Train"', element()),
        ("b.jpg", 'subset="Validation"', element()),
        ("deep/c.jpg", 'subset="Mine"', element()),
    )
    golden.prepared("cvat", tmp_path / "in", tmp_path / "out")
    assert [f for f in golden.files(tmp_path / "out") if "images" in f] == [
        *("images/a.jpg", "images/deep/c.jpg", "val/images/b.jpg"),
    ]


def test_folders_called_val_are_val(tmp_path):
    exports.labelme(tmp_path / "in/train/images")
    exports.labelme(tmp_path / "in/val/images", name="bb")
    golden.prepared("labelme", tmp_path / "in", tmp_path / "out")
    assert [f for f in golden.files(tmp_path / "out") if "images" in f] == [
        *("images/a.jpg", "val/images/bb.jpg"),
    ]


def test_an_image_may_lie_beside_the_folder_of_labels(tmp_path):
    exports.photograph(tmp_path / "in/images/a.jpg")
    exports.labelme(tmp_path / "in/json", imagePath="..\\images\\a.jpg")
    (tmp_path / "in/json/a.jpg").unlink()
    golden.prepared("labelme", tmp_path / "in", tmp_path / "out")
    assert golden.files(tmp_path / "out")[1:] == ["images/a.jpg", "masks/a.png"]


def test_an_image_may_lie_in_another_folder_than_the_export(tmp_path):
    """The folder of the images decides between two of one name."""
    exports.labelme(tmp_path / "json", imagePath="../photos/a.jpg")
    (tmp_path / "json/a.jpg").unlink()
    exports.photograph(tmp_path / "photos/a.jpg")
    exports.photograph(tmp_path / "photos/deep/a.jpg", seed=5)
    images = tmp_path / "photos"
    golden.prepared("labelme", tmp_path / "json", tmp_path / "out", images)
    assert golden.files(tmp_path / "out")[1:] == [
        *("images/a.jpg", "images/deep/a.jpg", "masks/a.png"),
    ]


def test_pictures_that_are_not_photographs(tmp_path):
    """What LabelMe's own program drew is left aside; HEIC is named."""
    root = exports.labelme(tmp_path / "in")
    for name in ("img", "label", "label_viz"):
        exports.photograph(root / f"a_json/{name}.png")
    exports.write(root / "b.heic", b"x")
    lines = golden.prepared("labelme", root, tmp_path / "out")
    assert lines[0] == "train: 1 labelled image, 0 without labels"
    assert "b.heic; convert them to JPEG" in lines[-1]


def test_the_folder_of_the_images_may_lie_in_the_export(tmp_path):
    root = exports.cvat(tmp_path / "in", ("a.jpg", "", element()))
    for images in (root, root / "images"):
        out = tmp_path / f"out {images.name}"
        golden.prepared("cvat", root, out, images)
        assert golden.files(out)[1:] == ["images/a.jpg", "masks/a.png"]


@pytest.mark.parametrize(
    "path",
    [
        "images/a.jpg",
        "images\\a.jpg",
        "..\\..\\label-studio\\data\\media\\upload\\1\\a.jpg",
        "/home/me/label-studio/media/upload/1/a.jpg",
    ],
)
def test_paths_of_label_studios_coco(path, tmp_path):
    """Its lists hold paths of the machine that it ran on."""
    root = exports.coco(tmp_path / "in/result.json", annotation([FLAT]))
    listed = json.loads((root / "result.json").read_text())
    listed["images"][0]["file_name"] = path
    exports.write(root / "result.json", listed)
    (root / "images").mkdir()
    (root / "a.jpg").rename(root / "images/a.jpg")
    golden.prepared("coco", root, tmp_path / "out")
    assert golden.files(tmp_path / "out")[1:] == ["images/a.jpg", "masks/a.png"]


def test_preparing_twice_gives_the_same_files(tmp_path):
    exports.labelme(tmp_path / "in")
    for out in ("a", "b"):
        golden.prepared("labelme", tmp_path / "in", tmp_path / out)
    assert golden.files(tmp_path / "a") == golden.files(tmp_path / "b")
    for name in golden.files(tmp_path / "a"):
        one, other = (tmp_path / out / name for out in ("a", "b"))
        assert one.read_bytes() == other.read_bytes()


def test_upper_and_lower_case_where_they_leave_no_choice(tmp_path):
    root = exports.labelme(tmp_path / "in", imagePath="A.JPG")
    golden.prepared("labelme", root, tmp_path / "out")
    assert golden.files(tmp_path / "out")[1:] == ["images/a.jpg", "masks/a.png"]
    exports.photograph(root / "one/B.jpg", seed=1)
    exports.photograph(root / "two/b.jpg", seed=2)
    exports.labelme(root, name="c", imagePath="b.JPG")
    (root / "c.jpg").unlink()
    with pytest.raises(ValueError, match=r"one/B.jpg, .*two/b.jpg could each"):
        golden.prepared("labelme", root, tmp_path / "again")


def test_an_image_that_is_listed_again_without_labels(tmp_path):
    """As of tasks that were imported beside those that are there."""
    labelled = task(region("polygon", "a", PERCENT))
    for k, tasks in enumerate([(labelled, task()), (task(), labelled)]):
        root = exports.labelstudio(tmp_path / f"in{k}", *tasks)
        said = golden.prepared("labelstudio", root, tmp_path / f"out{k}")
        assert "1 labelled image, 0 without labels" in said[0]
        assert said[-1].startswith("1 image is listed twice, once without")
        golden.equal(tmp_path / f"out{k}/masks/a.png", RECTANGLE)


def test_images_are_not_looked_for_in_a_list(tmp_path):
    exports.coco(tmp_path / "list.json", annotation([FLAT]))
    words = "which is not in the file itself: name the folder of the images"
    with pytest.raises(ValueError, match=words):
        golden.prepared("coco", tmp_path / "list.json", tmp_path / "out")


def test_json_files_of_other_programs_are_named(tmp_path):
    root = exports.labelme(tmp_path / "in")
    exports.write(root / "camera.json", {"lens": 35})
    said = golden.prepared("labelme", root, tmp_path / "out")
    assert said[-1] == (
        f"1 JSON file is not of LabelMe and is not read, the first "
        f"{root / 'camera.json'}."
    )
    exports.write(root / "a.json", {"imagePath": "a.jpg"})
    with pytest.raises(ValueError, match=r"a.json has no 'shapes'"):
        golden.prepared("labelme", root, tmp_path / "again")
