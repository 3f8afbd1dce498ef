"""COCO from its archives: the masks that are drawn, pixel by pixel."""

import itertools
import json
import sys

import numpy as np
import pytest

from ipixmatch_jax.data.datasets import coco
from ipixmatch_jax.data.downloads import coco_masks
from ipixmatch_jax.data.prepare import __main__ as prepare_main
from ipixmatch_jax.data.prepare.in_place import prepare_in_place
from ipixmatch_jax.data.prepare.pack import pack_data_set
from ipixmatch_jax.data.registry import open_data
from tests.data.prepare import downloads

pytest.importorskip("pycocotools")

CLASS_IDS = {category: k for k, category in enumerate(coco.CATEGORY_IDS, 1)}
PERSON, TABLE, CUP, BRUSH = 1, 67, 47, 90


def box(left, top, right, bottom):
    """The polygon of the pixels left <= x < right, top <= y < bottom."""
    corners = (left, top), (right, top), (right, bottom), (left, bottom)
    return [float(v) for corner in corners for v in corner]


def instance(image, category, segmentation, area, crowd=0):
    return {
        "image_id": image,
        "category_id": category,
        "segmentation": segmentation,
        "area": area,
        "iscrowd": crowd,
    }


def runs(region):
    """Column by column, from background: COCO's uncompressed run lengths."""
    flat = np.asarray(region, bool).T.ravel()
    counts, value, length = [], False, 0
    for pixel in flat:
        if pixel != value:
            counts.append(length)
            value, length = pixel, 0
        length += 1
    return {"size": list(np.shape(region)), "counts": [*counts, length]}


def filled(shape, *boxes):
    """The class ids of boxes that are painted one after another."""
    ids = np.zeros(shape, np.uint8)
    for value, left, top, right, bottom in boxes:
        for y in range(top, bottom):
            for x in range(left, right):
                ids[y, x] = value
    return ids


def test_the_classes_are_the_things_in_order_after_the_rest():
    assert len(coco.CLASS_NAMES) == len(set(coco.CLASS_NAMES)) == 81
    assert len(coco.CATEGORY_IDS) == 80
    names = dict(zip(coco.CATEGORY_IDS, coco.CLASS_NAMES[1:], strict=True))
    # From COCO's own list of categories, on both sides of every gap.
    assert (names[1], names[11], names[13]) == (
        *("person", "fire hydrant", "stop sign"),
    )
    assert (names[25], names[27], names[28]) == (
        *("giraffe", "backpack", "umbrella"),
    )
    assert (names[31], names[44], names[46]) == (
        *("handbag", "bottle", "wine glass"),
    )
    assert (names[65], names[67], names[70]) == (
        *("bed", "dining table", "toilet"),
    )
    assert (names[72], names[82], names[84]) == ("tv", "refrigerator", "book")
    assert names[90] == "toothbrush"


def test_a_small_instance_lies_on_a_large_one_and_both_on_a_crowd():
    crowd = np.zeros((12, 16), bool)
    crowd[:, 8:] = True
    instances = [
        instance(1, CUP, [box(4, 4, 6, 6)], 4.0),
        instance(1, TABLE, [box(2, 2, 12, 10)], 80.0),
        instance(1, PERSON, runs(crowd), 1.0, crowd=1),
    ]
    ids = coco_masks.draw_instances(12, 16, instances, CLASS_IDS)
    right = filled(
        (12, 16), (1, 8, 0, 16, 12), (61, 2, 2, 12, 10), (42, 4, 4, 6, 6)
    )
    np.testing.assert_array_equal(ids, right)


def test_several_polygons_are_one_instance_and_holes_are_kept():
    ring = np.zeros((9, 9), bool)
    ring[2:7, 2:7] = True
    ring[4, 4] = False
    instances = [
        instance(1, BRUSH, [box(0, 0, 2, 2), box(7, 7, 9, 9)], 8.0),
        instance(1, PERSON, runs(ring), 24.0),
    ]
    ids = coco_masks.draw_instances(9, 9, instances, CLASS_IDS)
    right = filled(
        (9, 9),
        *((1, 2, 2, 7, 7), (0, 4, 4, 5, 5)),
        *((80, 0, 0, 2, 2), (80, 7, 7, 9, 9)),
    )
    np.testing.assert_array_equal(ids, right)


def test_a_slanted_polygon_covers_what_lies_within_its_edges():
    """Its corners count from the image's corner; a pixel's centre is at .5."""
    corners = [(10, 5), (50, 20), (40, 55), (15, 45)]
    flat = [float(v) for corner in corners for v in corner]
    ids = coco_masks.draw_instances(
        64, 64, [instance(1, PERSON, [flat], 1.0)], CLASS_IDS
    )
    y, x = np.mgrid[:64, :64] + 0.5
    within = np.full((64, 64), np.inf)  # Pixels to the nearest edge.
    for (x0, y0), (x1, y1) in itertools.pairwise([*corners, corners[0]]):
        along = (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0)
        within = np.minimum(within, along / np.hypot(x1 - x0, y1 - y0))
    assert (ids[within > 0.8] == 1).all() and (within > 0.8).sum() > 1000
    assert (ids[within < -0.8] == 0).all()


IMAGES = {
    "train2017": [(9, (8, 6)), (25, (8, 6)), (30, (5, 7))],
    "val2017": [(139, (8, 6))],
}
ANNOTATIONS = [
    instance(9, PERSON, [box(1, 1, 4, 5)], 12.0),
    instance(30, BRUSH, [box(0, 0, 5, 7)], 35.0),
    instance(139, CUP, [box(0, 0, 8, 3)], 24.0),
]


@pytest.fixture
def root(tmp_path):
    downloads.coco(tmp_path / "coco", IMAGES, ANNOTATIONS)
    return tmp_path / "coco"


def lists(folder):
    (folder / "1_2").mkdir(parents=True)
    line = "{0}/{1:012d}.jpg masks/{1:012d}.png\n"
    some = line.format("train2017", 9) + line.format("train2017", 25)
    (folder / "1_2/labeled.txt").write_text(some)
    (folder / "1_2/unlabeled.txt").write_text(line.format("train2017", 30))
    (folder / "val.txt").write_text(line.format("val2017", 139))
    return folder


def check(root, folder):
    data = open_data("coco", str(root), str(lists(folder)), "1_2")
    for source, i, right in (
        (data.labelled, 0, filled((6, 8), (1, 1, 1, 4, 5))),
        (data.labelled, 1, filled((6, 8))),  # No instance: 0, not 255.
        (data.val, 0, filled((6, 8), (42, 0, 0, 8, 3))),
    ):
        np.testing.assert_array_equal(source[i].mask, right)
    assert data.unlabelled[0].mask is None
    assert (len(data.class_names), data.palette[0]) == (81, (0, 0, 0))


def test_the_archives_become_a_root_with_masks(root, tmp_path, capsys):
    prepare_main.main(["coco", "--source", str(root)])
    said = capsys.readouterr().out
    assert "train: 3 of 118287 images\nval: 1 of 5000 images\n" in said
    assert not (root / "annotations/captions_val2017.json").exists()
    masks = sorted(path.name for path in (root / "masks").iterdir())
    assert masks == [f"{i:012d}.png" for i in (9, 25, 30, 139)]
    check(root, tmp_path / "lists")


def test_drawing_goes_on_where_it_was_stopped(root, tmp_path, monkeypatch):
    drawn, draw = [], coco_masks.draw_instances

    def stop(height, width, instances, class_ids):
        drawn.append(len(instances))
        if len(drawn) == 2:
            raise KeyboardInterrupt
        return draw(height, width, instances, class_ids)

    monkeypatch.setattr(coco_masks, "draw_instances", stop)
    monkeypatch.setattr(coco_masks, "READERS", 1)
    with pytest.raises(SystemExit):
        prepare_main.main(["coco", "--source", str(root)])
    done = [path.name for path in (root / "masks").iterdir()]
    assert "000000000009.png" in done and "000000000025.png" not in done
    prepare_main.main(["coco", "--source", str(root)])
    assert len(drawn) == 5  # Each mask once, and the one that was stopped.
    check(root, tmp_path / "lists")


def test_it_is_packed_from_its_archives(root, tmp_path):
    target, counts = pack_data_set("coco", root, tmp_path / "out")
    assert counts == {"train": 3, "val": 1}
    assert not (root / "masks").exists()
    check(target, tmp_path / "lists")


def test_a_list_that_is_not_cocos_is_refused(root, tmp_path, capsys):
    prepare_main.main(["coco", "--source", str(root)])
    path = root / "annotations/instances_train2017.json"
    (root / "annotations_trainval2017.zip").unlink()
    for content in ("{", '{"images": []}', "[]"):
        path.write_text(content)
        with pytest.raises(SystemExit):
            prepare_main.main(["coco", "--source", str(root)])
        assert "is not COCO's list of instances" in capsys.readouterr().err
    unknown, bare = instance(1, 12, [], 0), {"image_id": 1, "category_id": 1}
    for wrong, word in ((unknown, "12"), (bare, "'area'")):
        content = {"images": [], "annotations": [wrong]}
        path.write_text(json.dumps(content))
        with pytest.raises(ValueError, match=rf"KeyError\({word}\)"):
            coco.complete(root)


def test_what_is_missing_is_said_with_the_way_to_it(root, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"instances_train.*train2017"):
        coco.complete(tmp_path)
    folder = lists(tmp_path / "lists")
    with pytest.raises(
        FileNotFoundError, match=r"names 4 files .*data.prepare coco"
    ):
        open_data("coco", str(root), str(folder), "1_2")
    prepare_main.main(["coco", "--source", str(root)])
    (folder / "1_2/unlabeled.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"splits complete --root"):
        open_data("coco", str(root), str(folder), "1_2")


def test_without_pycocotools_nothing_is_unpacked(root, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    for work in (
        lambda: prepare_in_place("coco", root),
        lambda: pack_data_set("coco", root, tmp_path / "out"),
    ):
        with pytest.raises(ValueError, match=r"'ipixmatch_jax\[coco\]'"):
            work()
    assert not (root / "train2017").exists()
