"""Makes the faulty folders of the tutorial's table of faults."""

import functools

import numpy as np
from PIL import Image

from tests.docs import photos


def masks(root):
    return sorted((root / "masks").glob("*.png"))


def resave(source, target):
    with Image.open(source) as image:
        image.save(target)


def jpegs(root):
    photos.make(root)
    for path in masks(root):
        resave(path, path.with_suffix(".jpg"))
        path.unlink()


def once_jpegs(root):
    photos.make(root)
    for path in masks(root):
        jpeg = path.with_suffix(".jpg")
        resave(path, jpeg)
        resave(jpeg, path)
        jpeg.unlink()


def with_an_ending(root):
    photos.make(root)
    for path in masks(root):
        path.rename(path.with_stem(f"{path.stem}_mask"))


def numbered(root):
    photos.make(root)
    for i, path in enumerate(masks(root)):
        path.rename(path.with_stem(f"label{i}"))


def unlisted(root):
    listed = {n: c for n, c in photos.CLASSES.items() if n != "stone"}
    photos.make(root, classes=listed)


def smaller(root):
    photos.make(root, draw=lambda ids: photos.coloured(ids.resize((32, 24), 0)))


def without_stones(root):
    photos.make(
        root, draw=lambda ids: photos.coloured(ids.point([0, 1] + [0] * 254))
    )


def wide(root):
    photos.make(root)
    pixels = np.zeros((40, 10_000, 3), np.uint8)
    Image.fromarray(pixels).save(root / "images/photo_07.jpg")


def no_image(root):
    photos.make(root)
    (root / "images/photo_03.jpg").write_bytes(b"not an image")


# Row of the table -> function that makes its folder.
FOLDERS = {
    "masks are JPEGs": jpegs,
    "masks that were JPEGs, saved as PNG": once_jpegs,
    "masks with another name: `photo_00_mask.png`": with_an_ending,
    "masks named `label0.png`": numbered,
    "RGB masks, no `classes.json`": functools.partial(
        photos.make, classes=None
    ),
    "a colour that is not listed": unlisted,
    "masks of another size": smaller,
    "a class that no mask shows": without_stones,
    "no unlabelled images": functools.partial(photos.make, images=photos.MASKS),
    "no masks": functools.partial(photos.make, masks=0),
    "one mask": functools.partial(photos.make, masks=1),
    "an image 10,000 pixels wide": wide,
    "a file that cannot be read as an image": no_image,
}
