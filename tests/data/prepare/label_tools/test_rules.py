"""The rules for shapes that overlap, for classes, and for EXIF."""

import numpy as np
import pytest

from ipixmatch_jax.data.files import decode
from ipixmatch_jax.data.label_formats.brush_rle import encode_brush
from tests.data.folder_helpers import opened
from tests.data.prepare.label_tools import exports, golden
from tests.data.prepare.label_tools.exports import (
    FLAT,
    PERCENT,
    RECTANGLE,
    SIZE,
    annotation,
    element,
    region,
    shape,
    task,
)

WHOLE = [[0, 0], [12, 0], [12, 10], [0, 10]]
HALF = [[0, 0], [6, 0], [6, 10], [0, 10]]


def corners(points):
    return ";".join(f"{x},{y}" for x, y in points)


def test_later_shapes_of_labelme_lie_on_top(tmp_path):
    exports.labelme(
        tmp_path / "in",
        shape("leaf", "rectangle", [[0, 0], [11, 9]]),
        shape("crack", "rectangle", [[2, 3], [6, 7]]),
    )
    golden.prepared("labelme", tmp_path / "in", tmp_path / "out")
    golden.equal(tmp_path / "out/masks/a.png", np.where(RECTANGLE, 1, 2))


def test_cvat_paints_by_z_order_and_then_in_turn(tmp_path):
    leaf = {"label": "leaf", "points": corners(WHOLE)}
    exports.cvat(
        tmp_path / "in",
        ("a.jpg", "", element(z_order=2) + element(z_order=1, **leaf)),
        ("b.jpg", "", element() + element(z_order=0, **leaf)),
        ("c.jpg", "", element(outside=1, **leaf) + element()),
    )
    golden.prepared("cvat", tmp_path / "in", tmp_path / "out")
    golden.equal(tmp_path / "out/masks/a.png", np.where(RECTANGLE, 1, 2))
    golden.equal(tmp_path / "out/masks/b.png", np.full(SIZE[::-1], 2))
    golden.equal(tmp_path / "out/masks/c.png", RECTANGLE)


def test_shapes_of_cvat_that_datumaro_does_not_write(tmp_path):
    """A mask in a small box, a turned box, and a turned ellipse."""
    mask = {"left": 2, "top": 3, "width": 3, "height": 2, "rle": "1, 2, 2, 1"}
    box = {"xtl": 3.5, "ytl": 1, "xbr": 8.5, "ybr": 9, "rotation": 90}
    ellipse = {"cx": 6, "cy": 5, "rx": 2, "ry": 5, "rotation": 90}
    exports.cvat(
        tmp_path / "in",
        ("a.jpg", "", element("mask", **mask)),
        ("b.jpg", "", element("box", **box)),
        ("c.jpg", "", element("ellipse", **ellipse)),
    )
    golden.prepared("cvat", tmp_path / "in", tmp_path / "out")
    right = np.zeros(SIZE[::-1], np.uint8)
    right[3, 3:5] = right[4, 4] = 1
    golden.equal(tmp_path / "out/masks/a.png", right)
    # The centre is (6, 5): 8 wide and 5 high after the turn.
    right = np.zeros(SIZE[::-1], np.uint8)
    right[3:7, 2:10] = 1
    drawn = golden.pixels(tmp_path / "out/masks/b.png")
    np.testing.assert_array_equal(drawn[3:7], right[3:7])
    assert not drawn[:2].any() and not drawn[8:].any()
    y, x = np.mgrid[:10, :12] + 0.5
    inside = ((x - 6) / 5) ** 2 + ((y - 5) / 2) ** 2 <= 1
    golden.equal(tmp_path / "out/masks/c.png", inside)


def test_the_smaller_of_two_in_coco_lies_on_top_and_crowds_below(tmp_path):
    whole = [float(c) for point in WHOLE for c in point]
    exports.coco(
        tmp_path / "in/list.json",
        annotation([FLAT], area=25, category=2),
        annotation([whole], area=120, category=1),
        annotation([whole], image=2, area=1, category=1, iscrowd=1),
        annotation([FLAT], image=2, area=25, category=2),
        names=("a.jpg", "b.jpg"),
        categories=[{"id": 2, "name": "crack"}, {"id": 1, "name": "leaf"}],
    )
    golden.prepared("coco", tmp_path / "in", tmp_path / "out")
    assert list(golden.classes(tmp_path / "out")) == [
        "background",
        "leaf",
        "crack",
    ]
    for name in ("a", "b"):
        path = tmp_path / f"out/masks/{name}.png"
        golden.equal(path, np.where(RECTANGLE, 2, 1))


def test_packed_run_lengths_of_coco(tmp_path):
    from pycocotools import mask

    packed = mask.encode(np.asfortranarray(RECTANGLE.astype(np.uint8)))
    packed["counts"] = packed["counts"].decode()
    exports.coco(tmp_path / "in/list.json", annotation(packed))
    golden.prepared("coco", tmp_path / "in", tmp_path / "out")
    golden.equal(tmp_path / "out/masks/a.png", RECTANGLE)


def test_regions_of_label_studio(tmp_path):
    """Percent of the size; later regions on top; labels beside polygons."""
    rest = ~RECTANGLE
    polygon = {"id": "p", "type": "polygon", "value": PERCENT}
    labels = {"id": "p", "type": "labels", "value": {"labels": ["crack"]}}
    labels["value"] |= PERCENT
    exports.labelstudio(
        tmp_path / "in",
        task(
            region("brush", "crack", {"rle": encode_brush(rest)}),
            region(
                "rectangle",
                "leaf",
                {"x": 0, "y": 0, "width": 50, "height": 100, "rotation": 0},
            ),
            {"id": "q", "type": "choices", "value": {"choices": ["good"]}},
            region("brush", "crack", {"rle": encode_brush(RECTANGLE)}),
            polygon,
            labels,
        ),
    )
    golden.prepared("labelstudio", tmp_path / "in", tmp_path / "out")
    right = np.ones(SIZE[::-1], int)
    right[:, :6] = 2
    right[RECTANGLE] = 1
    golden.equal(tmp_path / "out/masks/a.png", right)


def test_a_turned_rectangle_of_label_studio(tmp_path):
    """Against rotated_rectangle of label_studio_sdk 2.1.2 (its converter)."""
    size = {"original_width": 100, "original_height": 100}
    value = {"x": 50, "y": 20, "width": 40, "height": 10, "rotation": 30}
    exports.labelstudio(
        tmp_path / "in", task(region("rectangle", "crack", value, **size))
    )
    exports.photograph(tmp_path / "in/a.jpg", (100, 100))
    golden.prepared("labelstudio", tmp_path / "in", tmp_path / "out")
    rows, columns = np.nonzero(golden.pixels(tmp_path / "out/masks/a.png"))
    # x, y, width, height of the upright box around it
    left, top, width, height = 45.0, 20.0, 39.641016, 28.660254
    for found, right in (
        (columns.min(), left),
        (columns.max() + 1, left + width),
        (rows.min(), top),
        (rows.max() + 1, top + height),
    ):
        assert abs(found - right) <= 1.5
    assert abs(len(rows) - 400) < 12


def annotated(label, **fields):
    result = region("polygon", label, PERCENT)
    return {"result": [result], "was_cancelled": False, **fields}


@pytest.mark.parametrize(
    ("annotations", "right"),
    [
        ([annotated("a", updated_at="2"), annotated("b", updated_at="1")], "a"),
        (
            [
                annotated("a", updated_at="2"),
                annotated("b", updated_at="1", ground_truth=True),
            ],
            "b",
        ),
        ([annotated("a") | {"was_cancelled": True}, annotated("b")], "b"),
    ],
    ids=["newest", "ground truth", "cancelled"],
)
def test_one_annotation_of_a_task_counts(annotations, right, tmp_path):
    one = task(annotations=annotations, predictions=[annotated("c")])
    exports.labelstudio(tmp_path / "in", one)
    golden.prepared("labelstudio", tmp_path / "in", tmp_path / "out")
    assert list(golden.classes(tmp_path / "out")) == ["background", right]


def test_void_and_background(tmp_path):
    root = exports.labelme(
        tmp_path / "in",
        shape("crack", "rectangle", [[0, 0], [11, 9]]),
        shape("Ignore", "rectangle", [[2, 3], [6, 7]]),
    )
    exports.labelme(root, shape("_background_"), name="bb")
    golden.prepared("labelme", root, tmp_path / "a")
    assert list(golden.classes(tmp_path / "a")) == [
        "background",
        "crack",
        "void",
    ]
    golden.equal(tmp_path / "a/masks/a.png", np.where(RECTANGLE, 2, 1))
    golden.prepared("labelme", root, tmp_path / "b", uncovered="void")
    mask = golden.pixels(tmp_path / "b/masks/bb.png")
    assert mask[5, 4] == 0 and mask[0, 0] == 2
    data = opened(tmp_path / "b")
    assert data.class_names == ("background", "crack")


def test_no_background_is_added_where_all_else_is_void(tmp_path):
    root = exports.labelme(tmp_path / "in", shape("a"), shape("b"))
    golden.prepared("labelme", root, tmp_path / "out", uncovered="void")
    assert list(golden.classes(tmp_path / "out")) == ["a", "b", "void"]


@pytest.mark.parametrize("tool", ["cvat", "roboflow"])
def test_masks_whose_background_is_what_nobody_labelled(tool, tmp_path):
    ids = np.where(RECTANGLE, 1, 0)
    ids[0] = 2
    if tool == "cvat":
        colours = np.array([(0, 0, 0), (9, 0, 0), (0, 8, 0)])
        lines = "background:0,0,0::\na:9,0,0::\nb:0,8,0::\n"
        exports.cvat_masks(tmp_path / "in", {"a": colours[ids]}, lines)
    else:
        exports.photograph(tmp_path / "in/train/a.jpg")
        exports.write(tmp_path / "in/train/a_mask.png", exports.png(ids))
        table = "Pixel Value, Class\n0, background\n1, a\n2, b\n"
        exports.write(tmp_path / "in/train/_classes.csv", table)
    golden.prepared(tool, tmp_path / "in", tmp_path / "out", uncovered="void")
    assert list(golden.classes(tmp_path / "out")) == ["a", "b", "void"]
    golden.equal(tmp_path / "out/masks/a.png", (ids + 2) % 3)


def test_listed_images_without_a_shape(tmp_path):
    root = exports.labelme(tmp_path / "in")
    exports.labelme(root, name="bb", shapes=[])
    exports.photograph(root / "ccc.jpg", seed=3)
    golden.prepared("labelme", root, tmp_path / "a")
    golden.prepared("labelme", root, tmp_path / "b", empty="background")
    masks = [f for f in golden.files(tmp_path / "a") if "masks" in f]
    assert masks == ["masks/a.png"]
    masks = [f for f in golden.files(tmp_path / "b") if "masks" in f]
    assert masks == ["masks/a.png", "masks/bb.png"]
    golden.equal(tmp_path / "b/masks/bb.png", np.zeros(SIZE[::-1]))


def test_lines_can_be_left_out(tmp_path):
    root = exports.labelme(tmp_path / "in", shape(), shape(kind="line"))
    golden.prepared("labelme", root, tmp_path / "out", lines="skip")
    assert list(golden.classes(tmp_path / "out")) == ["background", "crack"]


def test_the_order_of_labels(tmp_path):
    root = exports.labelme(tmp_path / "in", shape("b"), shape("a"), shape("c"))
    golden.prepared("labelme", root, tmp_path / "sorted")
    assert list(golden.classes(tmp_path / "sorted"))[1:] == ["a", "b", "c"]
    chosen = ("c", "d", "a", "b")
    golden.prepared("labelme", root, tmp_path / "chosen", classes=chosen)
    assert list(golden.classes(tmp_path / "chosen"))[1:] == ["c", "d", "a", "b"]
    exports.write(root / "labels.txt", "__ignore__\n_background_\nc\nb\n")
    golden.prepared("labelme", root, tmp_path / "listed")
    found = list(golden.classes(tmp_path / "listed"))
    assert found == ["background", "c", "b", "a", "void"]


def test_classes_that_share_a_colour_or_a_name(tmp_path):
    root = exports.cvat(tmp_path / "in", ("a.jpg", "", element()))
    text = (root / "annotations.xml").read_text()
    text = text.replace("#020000", "#010000").replace("leaf", "Crack")
    exports.write(root / "annotations.xml", text)
    lines = golden.prepared("cvat", root, tmp_path / "out")
    found = golden.classes(tmp_path / "out")
    assert found["crack"] == [1, 0, 0] and found["Crack"] == [0, 128, 0]
    assert any("Crack has the colour of another class" in s for s in lines)
    assert any("crack and Crack become two classes" in s for s in lines)


def test_labels_that_cannot_be_printed(tmp_path):
    root = exports.labelme(tmp_path / "in", shape("a\ud800"), shape("Öl"))
    lines = golden.prepared("labelme", root, tmp_path / "out")
    assert lines[1] == "classes: 0 background, 1 a\\ud800, 2 Öl"
    assert "\n".join(lines).encode()


def test_labels_are_of_the_image_as_it_is_shown(tmp_path):
    """EXIF's orientation 6: the stored pixels are turned clockwise."""
    root = tmp_path / "in"
    exports.photograph(root / "a.jpg", SIZE[::-1], orientation=6)
    exports.labelme(root, shape("crack", "rectangle", [[2, 3], [6, 7]]))
    golden.prepared("labelme", root, tmp_path / "out")
    image = decode.read_image(str(tmp_path / "out/images/a.jpg"))
    assert image.size == SIZE
    golden.equal(tmp_path / "out/masks/a.png", RECTANGLE)


def test_labels_of_the_image_as_it_is_stored_are_refused(tmp_path):
    root = tmp_path / "in"
    exports.photograph(root / "a.jpg", orientation=6)
    exports.labelme(root)
    words = r"12x10 pixels, and .*a.jpg is 10x12 when it is turned .*EXIF"
    with pytest.raises(ValueError, match=words):
        golden.prepared("labelme", root, tmp_path / "out")


def test_shapes_that_the_masks_do_not_show_are_named(tmp_path):
    """One outside, one below another class, and one below its own class."""
    small = [[3, 4], [5, 4], [5, 6]]
    far = [[90, 90], [99, 90], [90, 99]]
    root = exports.labelme(
        tmp_path / "in",
        shape("leaf", points=small),
        shape("crack"),
        shape("crack", points=small),
        shape("leaf", points=far),
    )
    said = golden.prepared("labelme", root, tmp_path / "out")
    where = root / "a.json"
    assert said[-2:] == [
        f"1 shape lies outside the image or between its pixels, the first "
        f"{where}: the shape 3.",
        f"1 shape lies wholly below shapes of another class, the first "
        f"{where}: the shape 0: if it belongs on top, change the order in the "
        "label tool.",
    ]
