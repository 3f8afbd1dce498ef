"""COCO's list, read back with pycocotools."""

import json

import numpy as np
import pytest

from ipixmatch_jax.predict.formats.coco import Coco
from ipixmatch_jax.predict.formats.parts import Part, run_lengths
from tests.predict.formats import awkward
from tests.predict.formats.readers import read_coco

pytest.importorskip("pycocotools")


def test_run_lengths_give_the_same_masks(tmp_path):
    awkward.write_all(Coco(), tmp_path)
    found = read_coco(tmp_path / "coco/annotations.json")
    assert list(found) == sorted(awkward.MAPS)
    for name, ids in awkward.MAPS.items():
        np.testing.assert_array_equal(found[name][0], ids, name)


def test_every_part_is_an_annotation(tmp_path):
    awkward.write_all(Coco(), tmp_path)
    found = read_coco(tmp_path / "coco/annotations.json")
    assert found["nothing"][1] == []
    # Four single pixels and a square touch at their corners alone.
    corners = found["touching corners"][1]
    assert sorted(one["area"] for one in corners) == [1, 1, 1, 1, 4]
    ring, inner = found["deep/er/ring"][1]
    assert (ring["category_id"], ring["area"]) == (2, 21)
    assert ring["bbox"] == [0, 0, 7, 5]
    assert (inner["category_id"], inner["area"]) == (3, 3)
    assert inner["bbox"] == [2, 2, 3, 1]
    assert (ring["score"], inner["score"]) == (0.625, 0.75)
    everything = [one for _, some in found.values() for one in some]
    ids = [one["id"] for one in everything]
    assert ids == list(range(1, len(ids) + 1))


def test_categories_have_the_names_and_background_if_wanted(tmp_path):
    awkward.write_all(Coco(), tmp_path / "a")
    awkward.write_all(Coco(), tmp_path / "b", background=True)
    listed = [
        json.loads((tmp_path / x / "coco/annotations.json").read_text())
        for x in "ab"
    ]
    every = [{"id": k + 1, "name": n} for k, n in enumerate(awkward.NAMES)]
    assert [one["categories"] for one in listed] == [every[1:], every]
    assert "the student after 7 steps" in listed[0]["info"]["description"]
    for name, (ids, some) in read_coco(
        tmp_path / "b/coco/annotations.json"
    ).items():
        assert sum(one["area"] for one in some) == ids.size, name


def test_runs_that_reach_the_bottom_go_on_at_the_top():
    part = Part(1, 0, 1, np.ones((2, 3), bool), 1.0)
    assert run_lengths(part, 2, 5) == [2, 6, 2]
    part = Part(1, 1, 1, np.eye(2, dtype=bool), 1.0)
    assert run_lengths(part, 3, 3) == [4, 1, 3, 1, 0]


def test_polygons_give_the_masks_back(tmp_path):
    pytest.importorskip("shapely")
    awkward.write_all(Coco(), tmp_path, tolerance=0.5)
    for name, (ids, some) in read_coco(
        tmp_path / "coco/annotations.json"
    ).items():
        for k in range(1, 4):
            truth = awkward.MAPS[name] == k
            assert awkward.iou(ids == k, truth) >= 0.99, (name, k)
        if name == "blobs":
            assert all(isinstance(one["segmentation"], list) for one in some)


def test_no_tolerance_at_all_is_exact(tmp_path):
    pytest.importorskip("shapely")
    awkward.write_all(Coco(), tmp_path, tolerance=0.0)
    for name, (ids, _) in read_coco(tmp_path / "coco/annotations.json").items():
        np.testing.assert_array_equal(ids, awkward.MAPS[name], name)


def test_a_torn_file_of_an_image_is_named(tmp_path):
    awkward.write_all(Coco(), tmp_path)
    path = tmp_path / "coco/by_image/full.json"
    path.write_text(path.read_text()[:-5])
    with pytest.raises(ValueError, match=r"full\.json is not whole .*repeat"):
        Coco().join(tmp_path, awkward.labelling())
