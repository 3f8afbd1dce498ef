"""Writes the exports in `fixtures/` with the label tools' own programs.

In an environment of its own (requirements-label-tools.txt):

    python tests/data/prepare/label_tools/write_fixtures.py FOLDER

CVAT writes "Segmentation mask" and COCO, and reads all its formats, through
datumaro. `golden.npz` holds the masks that these programs draw, by the image's
name, as indices of each export's labels.
"""

import json
import pathlib
import sys

import datumaro as dm
import numpy as np
from datumaro.components.media import Image as Media
from datumaro.util import mask_tools
from label_studio_sdk.converter import brush
from labelme import utils
from labelme._label_file import read_label_file, write_label_file
from PIL import Image
from pycocotools.coco import COCO

WIDTH, HEIGHT = 32, 24
# No odd tenths, which pycocotools rounds either way: datumaro keeps float32.
CRACK = [(4.25, 3.15), (20.75, 2.45), (25.35, 14.85), (11.65, 18.95)]
LEAF = [(15.55, 9.25), (30.15, 8.35), (28.45, 21.75)]
COLOURS = {"background": (0, 0, 0), "crack": (250, 50, 83), "leaf": (0, 90, 7)}
NAMES = ("a", "b", "bare")  # The last has no labels.


def photograph(i):
    """A small picture, uint8 [HEIGHT, WIDTH, 3]."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([8 * x, 10 * y, 0 * x + 40 * i], -1).astype(np.uint8)


def write_photographs(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for i, name in enumerate(NAMES):
        Image.fromarray(photograph(i)).save(folder / f"{name}.png")


def blob():
    """A bitmap with a hole, bool [9, 11]."""
    bitmap = np.ones((9, 11), bool)
    bitmap[3:6, 4:8] = bitmap[0, 0] = False
    return bitmap


def labelme_shapes():
    """{image: (label, kind, points) from the bottom up}."""
    return {
        "a": [
            ("leaf", "polygon", LEAF),
            ("crack", "rectangle", [(9.6, 12.4), (2.3, 5.5)]),
            ("__ignore__", "circle", [(22.0, 6.0), (25.5, 6.0)]),
            ("_background_", "mask", [(12.0, 8.0), (22.0, 16.0)]),
        ],
        "b": [
            ("crack", "polygon", CRACK),
            (
                "leaf",
                "oriented_rectangle",
                [(6.0, 10.0), (12.0, 6.0), (16.0, 12.0), (10.0, 16.0)],
            ),
        ],
    }


def labelme(folder):
    """Two JSON files, the second without its image beside it."""
    write_photographs(folder)
    mask = utils.img_arr_to_b64(blob().astype(np.uint8))
    shapes = labelme_shapes()
    for name, rows in shapes.items():
        image = (folder / f"{name}.png").read_bytes()
        write_label_file(
            str(folder / f"{name}.json"),
            shapes=[
                {
                    "label": label,
                    "points": [list(point) for point in points],
                    "group_id": None,
                    "shape_type": kind,
                    "flags": {},
                    "mask": mask if kind == "mask" else None,
                }
                for label, kind, points in rows
            ],
            image_path=f"{name}.png",
            image_height=HEIGHT,
            image_width=WIDTH,
            image_data=image if name == "b" else None,
        )
    ids = {"__ignore__": 255, "_background_": 0, "crack": 1, "leaf": 2}
    golden = {}
    for name in shapes:
        record = read_label_file(str(folder / f"{name}.json"))
        golden[name], _ = utils.shapes_to_label(
            (HEIGHT, WIDTH), record.shapes, ids
        )
    (folder / "b.png").unlink()
    return golden


def dataset(folder, annotations, subset="default"):
    """A data set of datumaro with the labels crack and leaf."""
    items = [
        dm.DatasetItem(
            id=name,
            subset=subset,
            media=Media.from_file(path=str(folder / f"{name}.png")),
            annotations=annotations.get(name, []),
            attributes={"frame": i},
        )
        for i, name in enumerate(NAMES)
    ]
    return dm.Dataset.from_iterable(items, categories=["crack", "leaf"])


def flat(points):
    return [c for point in points for c in point]


def bitmap_mask(left, top):
    whole = np.zeros((HEIGHT, WIDTH), np.uint8)
    whole[top : top + 9, left : left + 11] = blob()
    return whole


def shapes():
    """In a the leaf lies over the crack; in b a brushed leaf over a box."""
    return {
        "a": [
            dm.Polygon(flat(LEAF), label=1, z_order=1),
            dm.Polygon(flat(CRACK), label=0, z_order=0),
        ],
        "b": [
            dm.Mask(bitmap_mask(3, 8), label=1, z_order=1),
            dm.Bbox(2, 4, 20, 9, label=0, z_order=0),
        ],
    }


def drawn(annotations):
    """What datumaro draws: 0 for nothing, else 1 + the label."""
    golden = {}
    for name, listed in annotations.items():
        ids = np.zeros((HEIGHT, WIDTH), np.uint8)
        for shape in sorted(listed, key=lambda one: one.z_order):
            ids[region_of(shape)] = 1 + shape.label
        golden[name] = ids
    return golden


def region_of(shape):
    if shape.type == dm.AnnotationType.mask:
        return np.asarray(shape.image, bool)
    box = shape.type == dm.AnnotationType.bbox
    points = shape.as_polygon() if box else shape.points
    return mask_tools.rles_to_mask([points], WIDTH, HEIGHT).astype(bool)


def cvat_xml(folder):
    """datumaro's "cvat" is CVAT for images 1.1."""
    with_shapes = dataset(folder.parent / "photographs", shapes())
    with_shapes.export(str(folder), "cvat", save_media=True)
    found = dm.Dataset.import_from(str(folder), "cvat")
    return drawn({i.id: i.annotations for i in found if i.annotations})


def cvat_masks(folder):
    golden = drawn(shapes())
    masks = {
        name: [
            dm.Mask(ids == 1 + label, label=label, z_order=0)
            for label in (0, 1)
        ]
        for name, ids in golden.items()
    }
    whole = dataset(folder.parent / "photographs", masks)
    whole.export(
        str(folder),
        "voc_segmentation",
        save_media=True,
        label_map={k: [c, [], []] for k, c in COLOURS.items()},
    )
    return golden


def coco(folder):
    """As CVAT exports it: the brushed leaf becomes a crowd."""
    listed = shapes()
    listed["a"] = [dm.Polygon(flat(LEAF), label=1)]
    listed["b"] = [
        dm.Polygon(flat(CRACK), label=0, group=1),
        dm.Mask(bitmap_mask(21, 15), label=1, group=2),
    ]
    whole = dataset(folder.parent / "photographs", listed, "train")
    whole.export(str(folder), "coco_instances", save_media=True)
    read = COCO(folder / "annotations/instances_train.json")
    golden = {}
    notes = read.loadAnns(read.getAnnIds())
    # COCO has no rule for overlaps; ours puts crowds below.
    for note in sorted(notes, key=lambda one: -one["iscrowd"]):
        (image,) = read.loadImgs(note["image_id"])
        name = pathlib.Path(image["file_name"]).stem
        ids = golden.setdefault(name, np.zeros((HEIGHT, WIDTH), np.uint8))
        ids[read.annToMask(note) == 1] = note["category_id"]
    return golden


def labelstudio(folder):
    """Brush strokes by the SDK, in tasks as Label Studio exports them.

    The images lie elsewhere, as they do beside the export "JSON".
    """
    folder.mkdir()
    tasks, golden = [], {}
    for k, name in enumerate(NAMES):
        results, ids = [], np.zeros((HEIGHT, WIDTH), np.uint8)
        for label, value in (("crack", 1), ("leaf", 2)):
            whole = bitmap_mask(3 + 5 * value + 2 * k, 4 * value)
            path = folder / "stroke.png"
            Image.fromarray(255 * whole).save(path)
            results += brush.image2annotation(
                str(path), label, from_name="tag", to_name="image"
            )["result"]
            path.unlink()
        for number, result in enumerate(results):
            result["id"] = f"r{k}{number}"  # a random one otherwise
        for name_, layer in brush.decode_from_annotation(
            "tag", [{**r, **r["value"]} for r in results]
        ).items():
            ids[layer > 0] = 2 if "leaf" in name_ else 1
        annotation = {"id": k, "was_cancelled": False, "result": results}
        tasks.append(
            {
                "id": k,
                "annotations": [annotation] if name != "bare" else [],
                "predictions": [],
                "file_upload": f"0a1b2c3d-{name}.png",
                "data": {"image": f"/data/upload/7/0a1b2c3d-{name}.png"},
            }
        )
        if name != "bare":
            golden[name] = ids
    (folder / "project.json").write_text(json.dumps(tasks))
    return golden


def main(folder):
    write_photographs(folder / "photographs")
    golden = {}
    for make in (labelme, cvat_xml, cvat_masks, coco, labelstudio):
        for name, ids in make(folder / make.__name__).items():
            golden[f"{make.__name__}/{name}"] = np.asarray(ids, np.uint8)
    np.savez_compressed(folder / "golden.npz", **golden)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
