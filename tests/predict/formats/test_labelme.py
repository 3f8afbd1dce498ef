"""LabelMe's files, read back as LabelMe reads them.

GOLDEN is what the function shape_to_mask of LabelMe 6.3.1 gave for POLYGON.
"""

import json
import os

import numpy as np
import pytest

from ipixmatch_jax.predict.formats.labelme import LabelMe, fill_rings
from tests.predict.formats import awkward
from tests.predict.formats.readers import fill_shape, read_labelme

POLYGON = [[1.5, 0.5], [6.49, 2.5], [7.0, 5.9], [3.5, 5.5]]
GOLDEN = (
    *("010000000", "011100000", "001111100", "001111100"),
    *("000111110", "000111110", "000000000"),
)


def test_polygons_are_filled_as_by_labelme():
    golden = np.array([[int(c) for c in row] for row in GOLDEN])
    shape = {"shape_type": "polygon", "points": POLYGON}
    np.testing.assert_array_equal(fill_shape(shape, (7, 9)), golden)
    found = fill_rings([np.array(POLYGON)], (7, 9))
    np.testing.assert_array_equal(found, golden)


def test_masks_come_back_exactly(tmp_path):
    awkward.write_all(LabelMe(), tmp_path)
    for name, ids in awkward.MAPS.items():
        found, shapes = read_labelme(tmp_path / f"labelme/{name}.json")
        np.testing.assert_array_equal(found, ids, name)
        assert {one["shape_type"] for one in shapes} <= {"mask"}


def test_polygons_give_the_masks_back(tmp_path):
    pytest.importorskip("shapely")
    awkward.write_all(LabelMe(), tmp_path, tolerance=0.5)
    kinds = set()
    for name, ids in awkward.MAPS.items():
        found, shapes = read_labelme(tmp_path / f"labelme/{name}.json")
        kinds |= {one["shape_type"] for one in shapes}
        for k in range(1, 4):
            assert awkward.iou(found == k, ids == k) >= 0.99, (name, k)
        if name == "blobs":
            masks = [s for s in shapes if s["shape_type"] == "mask"]
            assert len(masks) < len(shapes) / 10
            assert all(fill_shape(s, ids.shape).sum() < 12 for s in masks)
    assert kinds == {"polygon", "mask"}  # Lines have no polygon.


def test_the_pieces_of_a_part_with_holes_are_one_group(tmp_path):
    pytest.importorskip("shapely")
    ids = np.zeros((30, 30), np.uint8)
    ids[2:28, 2:28] = 1
    ids[8:14, 8:14] = ids[18:22, 18:22] = 2
    image = awkward.LabelledImage("a.png", "a", ids, awkward.confidence(ids))
    chosen = awkward.labelling(tolerance=0.5)
    LabelMe().write_image(tmp_path, image, chosen)
    found, shapes = read_labelme(tmp_path / "labelme/a.json")
    np.testing.assert_array_equal(found, ids)
    groups = [one["group_id"] for one in shapes if one["label"] == "crack"]
    assert len(groups) > 2 and set(groups) == {0}
    assert {s["group_id"] for s in shapes if s["label"] != "crack"} == {None}


def test_a_file_says_where_the_image_is_and_how_sure_the_network_was(tmp_path):
    (tmp_path / "real/deep").mkdir(parents=True)
    (tmp_path / "photos").symlink_to(tmp_path / "real")
    (tmp_path / "far/out").mkdir(parents=True)
    (tmp_path / "out").symlink_to(tmp_path / "far/out")
    awkward.write_all(LabelMe(), tmp_path / "out", tmp_path / "photos")
    folder = tmp_path / "out/labelme/deep"
    value = json.loads((folder / "one pixel.json").read_text())
    image = os.path.realpath(os.path.join(folder, value["imagePath"]))
    assert image == str(tmp_path / "real/deep/one pixel.jpg")
    assert value["imageData"] is None
    (shape,) = value["shapes"]
    assert shape["label"] == "Öl"
    assert shape["description"] == "confidence 0.8750"
    names = (tmp_path / "out/labelme/labels.txt").read_text("utf-8")
    assert names.splitlines() == list(awkward.NAMES[1:])
