"""Small exports of label tools, written field by field."""

import io
import json
import zlib

import numpy as np
from PIL import Image

SIZE = (12, 10)  # width, height
BOX = [[2, 3], [7, 3], [7, 8], [2, 8]]


def photograph(path, size=SIZE, seed=0, orientation=None):
    """An image; `orientation` is EXIF's, and size that of the stored pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3))
    image = Image.fromarray(pixels.astype(np.uint8))
    exif = Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    image.save(path, exif=exif)


def png(values):
    """A grey or RGB PNG, as bytes."""
    file = io.BytesIO()
    Image.fromarray(np.asarray(values, np.uint8)).save(file, "PNG")
    return file.getvalue()


def write(path, value):
    """A JSON, text or binary file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(value, bytes):
        path.write_bytes(value)
    else:
        text = value if isinstance(value, str) else json.dumps(value)
        path.write_text(text, "utf-8")


def shape(label="crack", kind="polygon", points=BOX, **more):
    """One shape of LabelMe."""
    return {"label": label, "shape_type": kind, "points": points, **more}


def labelme(root, *shapes, name="a", size=SIZE, **more):
    """An image and its JSON file."""
    if not (root / f"{name}.jpg").exists():
        photograph(root / f"{name}.jpg", size, len(name))
    record = {
        "version": "5.4.1",
        "shapes": list(shapes or [shape()]),
        "imagePath": f"{name}.jpg",
        "imageData": None,
        "imageHeight": size[1],
        "imageWidth": size[0],
    }
    write(root / f"{name}.json", record | more)
    return root


def cvat(root, *images, labels=("crack", "leaf"), name="annotations.xml"):
    """CVAT for images: each image is (name, attributes, elements)."""
    rows = "".join(
        f"<label><name>{label}</name><color>#0{k}0000</color></label>"
        for k, label in enumerate(labels, 1)
    )
    body = ""
    for i, (image, attributes, elements) in enumerate(images):
        photograph(root / f"images/{image}", seed=i)
        body += (
            f'<image id="{i}" name="{image}" width="{SIZE[0]}" '
            f'height="{SIZE[1]}" {attributes}>{elements}</image>'
        )
    write(
        root / name,
        "<?xml version='1.0' encoding='utf-8'?><annotations>"
        "<version>1.1</version><meta><task><labels>"
        f"{rows}</labels></task></meta>{body}</annotations>",
    )
    return root


def element(kind="polygon", label="crack", **attributes):
    """One shape of CVAT."""
    if kind == "polygon":
        attributes.setdefault("points", ";".join(f"{x},{y}" for x, y in BOX))
    text = " ".join(f'{k}="{v}"' for k, v in attributes.items())
    return f'<{kind} label="{label}" {text}></{kind}>'


def cvat_masks(root, masks, labelmap="background:0,0,0::\ncrack:9,0,0::\n"):
    """A segmentation mask export of {name: RGB array}."""
    for i, (name, values) in enumerate(masks.items()):
        photograph(root / f"JPEGImages/{name}.jpg", seed=i)
        write(root / f"SegmentationClass/{name}.png", png(values))
    write(root / "labelmap.txt", labelmap)
    return root


def annotation(segmentation, image=1, category=1, **more):
    """One annotation of COCO."""
    note = {"image_id": image, "category_id": category, "iscrowd": 0}
    return {**note, "segmentation": segmentation, "area": 25.0, **more}


FLAT = [float(c) for point in BOX for c in point]


def coco(path, *annotations, names=("a.jpg",), categories=None):
    """A list of instances, and its images beside it."""
    for i, name in enumerate(names):
        seed = zlib.crc32(f"{path.parent.name}{i}".encode())
        photograph(path.parent / name, seed=seed)
    categories = categories or [{"id": 1, "name": "crack"}]
    listed = [
        {"id": i, "file_name": n, "width": SIZE[0], "height": SIZE[1]}
        for i, n in enumerate(names, 1)
    ]
    notes = [{"id": k, **note} for k, note in enumerate(annotations)]
    record = {"images": listed, "annotations": notes, "categories": categories}
    write(path, record)
    return path.parent


def region(kind, label, value, **more):
    """One result of Label Studio."""
    result = {
        "id": f"{kind}-{label}",
        "type": f"{kind}labels",
        "value": {**value, f"{kind}labels": [label]},
        "original_width": SIZE[0],
        "original_height": SIZE[1],
        "image_rotation": 0,
    }
    return result | more


def task(*results, image="/data/upload/1/0a1b2c3d-a.jpg", **more):
    """One task of Label Studio; without results, without an annotation."""
    annotations = [{"result": list(results), "was_cancelled": False}]
    return {
        "id": 1,
        "annotations": annotations if results else [],
        "data": {"image": image},
        **more,
    }


def labelstudio(root, *tasks):
    photograph(root / "a.jpg")
    write(root / "project.json", list(tasks))
    return root


PERCENT = {"points": [[x / 0.12, y / 0.10] for x, y in BOX]}
RECTANGLE = np.zeros(SIZE[::-1], bool)
RECTANGLE[3:8, 2:7] = True
