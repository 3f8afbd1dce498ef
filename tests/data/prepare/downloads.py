"""Small downloads in the official layouts."""

import io
import json
import tarfile
import zipfile

import numpy as np
from PIL import Image
from scipy.io import savemat


def png(ids):
    """A grey PNG of ids, as bytes."""
    file = io.BytesIO()
    Image.fromarray(np.asarray(ids, np.uint8)).save(file, "PNG")
    return file.getvalue()


def jpeg(size, seed=0):
    """A photograph of (width, height), as bytes."""
    pixels = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3))
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(file, "JPEG")
    return file.getvalue()


def zipped(path, files):
    """An archive of {path: bytes}."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def tarred(path, files, mode="w"):
    """A tar of {path: bytes}; mode "w:gz" compresses it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def ade20k(folder, masks):
    """ADEChallengeData2016.zip with one mask per item, the last in val."""
    files, top = {}, "ADEChallengeData2016"
    for i, ids in enumerate(masks):
        last = i == len(masks) - 1
        part, short = ("validation", "val") if last else ("training", "train")
        name = f"ADE_{short}_{i + 1:08d}"
        size = np.shape(ids)[::-1]
        files[f"{top}/images/{part}/{name}.jpg"] = jpeg(size, i)
        files[f"{top}/annotations/{part}/{name}.png"] = png(ids)
    files[f"{top}/objectInfo150.txt"] = b"Idx\tRatio\n"
    zipped(folder / f"{top}.zip", files)


def coco(folder, images, annotations):
    """COCO's three archives.

    Args:
      folder: gets the archives.
      images: {"train2017": [(id, (width, height)), ...], "val2017": ...}.
      annotations: of both, each with its image_id.
    """
    lists = {}
    for part, of_part in images.items():
        files, listed = {}, []
        for i, (width, height) in of_part:
            name = f"{i:012d}.jpg"
            files[f"{part}/{name}"] = jpeg((width, height), i)
            listed.append(
                {"id": i, "file_name": name, "height": height, "width": width}
            )
        zipped(folder / f"{part}.zip", files)
        known = {i for i, _ in of_part}
        content = {
            "images": listed,
            "annotations": [a for a in annotations if a["image_id"] in known],
        }
        lists[f"annotations/instances_{part}.json"] = json.dumps(content)
        lists[f"annotations/captions_{part}.json"] = "{}"
    zipped(folder / "annotations_trainval2017.zip", lists)


def voc(folder, own, val, images):
    """VOC's archive: {name: mask} of its own, the names of val, and images."""
    top, files = "VOCdevkit/VOC2012", {}
    for i, name in enumerate(images):
        files[f"{top}/JPEGImages/{name}.jpg"] = jpeg((8, 6), i)
    for name, ids in own.items():
        files[f"{top}/SegmentationClass/{name}.png"] = png(ids)
    sets = f"{top}/ImageSets/Segmentation"
    files[f"{sets}/val.txt"] = "".join(f"{n}\n" for n in val).encode()
    train = [n for n in own if n not in val]
    files[f"{sets}/train.txt"] = "".join(f"{n}\n" for n in train).encode()
    files["VOCdevkit/VOC2012/Annotations/a.xml"] = b"left out"
    tarred(folder / "VOCtrainval_11-May-2012.tar", files)


def sbd(folder, masks):
    """SBD's archive: {name: mask}, in the fields of its own files."""
    files = {"benchmark_RELEASE/README": b"left out"}
    for name, ids in masks.items():
        file = io.BytesIO()
        fields = {
            "Boundaries": np.zeros((20, 1), object),
            "Segmentation": np.asarray(ids, np.uint8),
            "CategoriesPresent": np.unique(ids)[1:, None].astype(np.uint8),
        }
        savemat(file, {"GTcls": fields}, do_compression=True)
        files[f"benchmark_RELEASE/dataset/cls/{name}.mat"] = file.getvalue()
        files[f"benchmark_RELEASE/dataset/img/{name}.jpg"] = b"left out"
    tarred(folder / "benchmark.tgz", files, "w:gz")
