"""Class maps that formats of labels get wrong, and how to write them."""

import pathlib

import numpy as np
from scipy import ndimage

from ipixmatch_jax.predict.formats.base import LabelledImage, Labelling

NAMES = ("background", "crack", "leaf & stem", "Öl")
PALETTE = ((10, 20, 30), (200, 0, 0), (0, 90, 7), (0, 0, 0))


def _draw(*rows):
    return np.array([[int(c) for c in row] for row in rows], np.uint8)


def _blobs(seed=0, size=(90, 120)):
    """Smooth regions of all classes, as predictions of photographs are."""
    noise = np.random.default_rng(seed).standard_normal((4, *size))
    smooth = ndimage.gaussian_filter(noise, (0, 12, 12))
    return smooth.argmax(0).astype(np.uint8)


# Name below the outputs' folders -> class ids.
MAPS = {
    "one pixel": _draw("0000", "0100", "0002"),
    "deep/one pixel": _draw("3"),
    "deep/er/ring": _draw(
        "1111111", "1000001", "1022201", "1000101", "1111111"
    ),
    "touching corners": _draw("1001", "0110", "0110", "1001"),
    "nothing": np.zeros((5, 9), np.uint8),
    "row ü": _draw("0112203"),
    "column": _draw("0112203").T.copy(),
    "full": np.full((3, 4), 2, np.uint8),
    "blobs": _blobs(),
}


def confidence(ids):
    """Float32 [H, W]: 0.5 + id / 8, so that each class has its own."""
    return (0.5 + ids / 8).astype(np.float32)


def labelled(name, photos="photos"):
    ids = MAPS[name]
    path = str(pathlib.Path(photos, f"{name}.jpg"))
    return LabelledImage(path, name, ids, confidence(ids))


def labelling(**changes):
    return Labelling(NAMES, PALETTE, "the student after 7 steps", **changes)


def write_all(writer, out, photos="photos", **changes):
    """Writes every map."""
    chosen = labelling(**changes)
    for name in MAPS:
        writer.write_image(out, labelled(name, photos), chosen)
    writer.join(out, chosen)


def iou(a, b):
    """Of the regions of one class; 1 if neither has any."""
    union = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / union if union else 1.0
