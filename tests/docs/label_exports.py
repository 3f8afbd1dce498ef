"""Exports of label tools, of the pictures of the tutorial (photos.py)."""

import base64
import io
import json
import shutil

import numpy as np
from PIL import Image

from ipixmatch_jax.data.label_formats.brush_rle import encode_brush
from tests.docs import photos

LABELS = ("leaf", "stone")  # The ids 1 and 2 of the pictures.
MASKS = 6
# The tools of the page beside LabelMe.
PACKED = ("cvat", "labelstudio", "roboflow", "coco")


def scenes():
    """(name, image, ids) of each picture; ids are None from MASKS on."""
    for i in range(photos.IMAGES):
        image, ids = photos.photograph(i)
        yield f"photo_{i:02}", image, np.asarray(ids) if i < MASKS else None


def png(array):
    file = io.BytesIO()
    Image.fromarray(np.asarray(array, np.uint8)).save(file, "PNG")
    return file.getvalue()


def save(root, folder=""):
    (root / folder).mkdir(parents=True, exist_ok=True)
    for name, image, _ in scenes():
        image.save(root / folder / f"{name}.jpg", quality=95)


def labelled():
    """(name, label, bool [H, W]) of every region."""
    for name, _, ids in scenes():
        if ids is not None:
            for number, label in enumerate(LABELS, 1):
                yield name, label, ids == number


def labelme(root):
    """A JSON file beside each labelled image, with shapes of the kind mask."""
    save(root)
    shapes = {}
    for name, label, region in labelled():
        rows, columns = np.nonzero(region)
        left, top = int(columns.min()), int(rows.min())
        right, bottom = int(columns.max()), int(rows.max())
        bitmap = region[top : bottom + 1, left : right + 1]
        shape = {
            "label": label,
            "points": [[left, top], [right, bottom]],
            "shape_type": "mask",
            "mask": base64.b64encode(png(255 * bitmap)).decode(),
        }
        shapes.setdefault(name, []).append(shape)
    for name, listed in shapes.items():
        record = {
            "version": "5.5.0",
            "shapes": listed,
            "imagePath": f"{name}.jpg",
            "imageData": None,
            "imageHeight": photos.SIZE[1],
            "imageWidth": photos.SIZE[0],
        }
        (root / f"{name}.json").write_text(json.dumps(record))


def cvat(root):
    """A "Segmentation mask 1.1" with its images, zipped."""
    save(root, "JPEGImages")
    colours = np.array([(0, 0, 0), (250, 50, 83), (51, 221, 255)])
    (root / "SegmentationClass").mkdir()
    for name, _, ids in scenes():
        if ids is not None:
            path = root / f"SegmentationClass/{name}.png"
            path.write_bytes(png(colours[ids]))
    lines = ["# label:color_rgb:parts:actions"]
    for label, colour in zip(("background", *LABELS), colours, strict=True):
        lines.append(f"{label}:{','.join(map(str, colour))}::")
    (root / "labelmap.txt").write_text("\n".join(lines) + "\n")
    shutil.make_archive(str(root), "zip", root)


def coco(path):
    """A list of instances in run lengths, without the images."""
    names = [name for name, _, _ in scenes()]
    notes = []
    for name, label, region in labelled():
        flat = region.ravel(order="F")
        edges = np.flatnonzero(np.diff(flat)) + 1
        counts = np.diff([0, *edges.tolist(), flat.size]).tolist()
        note = {
            "id": len(notes),
            "image_id": names.index(name),
            "category_id": 1 + LABELS.index(label),
            "segmentation": {
                "size": list(region.shape),
                "counts": [0, *counts] if flat[0] else counts,
            },
            "area": int(region.sum()),
            "iscrowd": 0,
        }
        notes.append(note)
    width, height = photos.SIZE
    images = [
        {"id": i, "file_name": f"{n}.jpg", "width": width, "height": height}
        for i, n in enumerate(names)
    ]
    categories = [{"id": k, "name": n} for k, n in enumerate(LABELS, 1)]
    record = {"images": images, "annotations": notes, "categories": categories}
    path.write_text(json.dumps(record))


def labelstudio(path):
    """The tasks with brush strokes, without the images."""
    tasks = {
        name: {
            "id": i,
            "annotations": [],
            "data": {"image": f"/data/upload/1/0a1b2c3d-{name}.jpg"},
        }
        for i, (name, _, _) in enumerate(scenes())
    }
    for name, label, region in labelled():
        annotations = tasks[name]["annotations"] or [{"result": []}]
        tasks[name]["annotations"] = annotations
        result = {
            "id": f"{name}{label}",
            "type": "brushlabels",
            "original_width": photos.SIZE[0],
            "original_height": photos.SIZE[1],
            "image_rotation": 0,
            "value": {
                "format": "rle",
                "rle": encode_brush(region),
                "brushlabels": [label],
            },
        }
        annotations[0]["result"].append(result)
    path.write_text(json.dumps(list(tasks.values())))


def roboflow(root):
    """Semantic masks: train/ and, of two labelled images, valid/; zipped."""
    for i, (name, image, ids) in enumerate(scenes()):
        folder = root / ("valid" if i in (0, 1) else "train")
        folder.mkdir(parents=True, exist_ok=True)
        image.save(folder / f"{name}.jpg", quality=95)
        if ids is not None:
            (folder / f"{name}_mask.png").write_bytes(png(ids))
    table = "Pixel Value, Class\n0, background\n1, leaf\n2, stone\n"
    for part in ("train", "valid"):
        (root / part / "_classes.csv").write_text(table)
    shutil.make_archive(str(root), "zip", root)


def make(work):
    """Everything that the page's commands read."""
    labelme(work / "photos")
    cvat(work / "cvat")
    coco(work / "instances.json")
    labelstudio(work / "project.json")
    roboflow(work / "roboflow")
