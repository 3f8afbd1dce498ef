"""What the tools' own programs wrote becomes the masks that they draw."""

import json
import shutil
import zipfile

import numpy as np
import pytest

from tests.data.folder_helpers import names, opened
from tests.data.prepare.label_tools import golden

# name of the fixture: tool, labels in the order of the golden masks' values
EXPORTS = {
    "labelme": ("labelme", ("background", "crack", "leaf", "void")),
    "cvat_xml": ("cvat", ("background", "crack", "leaf")),
    "cvat_masks": ("cvat", ("background", "crack", "leaf")),
    "coco": ("coco", ("background", "crack", "leaf")),
    "labelstudio": ("labelstudio", ("background", "crack", "leaf")),
}


def prepared(name, source, out):
    """Label Studio's "JSON" comes without the images."""
    images = golden.PHOTOGRAPHS if name == "labelstudio" else None
    return golden.prepared(EXPORTS[name][0], source, out, images)


@pytest.mark.parametrize("name", EXPORTS)
@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
def test_the_masks_are_those_of_the_tool(name, packed, tmp_path):
    source, out = golden.FIXTURES / name, tmp_path / "out"
    if packed:
        source = tmp_path / shutil.make_archive(
            str(tmp_path / "export"), "zip", source
        )
    lines = prepared(name, source, out)
    assert lines[0] == "train: 2 labelled images, 1 without labels"
    listed = json.loads((out / "classes.json").read_text())
    assert tuple(listed) == EXPORTS[name][1]
    for image, right in golden.masks(name).items():
        ids = golden.pixels(out / f"masks/{image}.png")
        ids = np.where(ids == 3, 255, ids)  # void is the last of LabelMe's
        np.testing.assert_array_equal(ids, right)
        photograph = golden.pixels(out / f"images/{image}.png")
        whole = golden.pixels(golden.PHOTOGRAPHS / f"{image}.png")
        np.testing.assert_array_equal(photograph, whole)
    assert golden.files(out) == [
        "classes.json",
        *("images/a.png", "images/b.png", "images/bare.png"),
        *("masks/a.png", "masks/b.png"),
    ]


@pytest.mark.parametrize("name", EXPORTS)
def test_the_folder_is_read_by_the_data_set(name, tmp_path):
    prepared(name, golden.FIXTURES / name, tmp_path / "out")
    data = opened(tmp_path / "out")
    assert data.class_names == ("background", "crack", "leaf")
    assert names(data.unlabelled) == ["images/bare.png"]
    right = golden.masks(name)
    for part in (data.labelled, data.val):
        for i in range(len(part)):
            stem = part.name(i).split("/")[1].removesuffix(".png")
            ids = np.asarray(part.mask(i))
            np.testing.assert_array_equal(ids, right[stem])


def test_colours_of_cvat_are_kept(tmp_path):
    golden.prepared("cvat", golden.FIXTURES / "cvat_masks", tmp_path / "out")
    assert json.loads((tmp_path / "out/classes.json").read_text()) == {
        "background": [0, 0, 0],
        "crack": [250, 50, 83],
        "leaf": [0, 90, 7],
    }


def test_a_zip_with_one_folder_at_its_top_is_read(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for path in (golden.FIXTURES / "cvat_xml").rglob("*.*"):
            inside = path.relative_to(golden.FIXTURES)
            archive.write(path, f"task 3/{inside}")
    lines = golden.prepared("cvat", tmp_path / "a.zip", tmp_path / "out")
    assert lines[0] == "train: 2 labelled images, 1 without labels"
