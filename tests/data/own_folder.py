"""Makes a small user folder: images of 48x40 and masks of any kind."""

import json

import numpy as np
from PIL import Image

CLASSES = {"ground": [10, 20, 30], "crack": [200, 0, 0], "leaf": [0, 90, 7]}


def ids(seed, count=3):
    """A mask, uint8 [40, 48], with every class."""
    mask = np.random.default_rng(seed).integers(0, count, (40, 48))
    mask[0, :count] = np.arange(count)
    return mask.astype(np.uint8)


def rgb(mask, classes=None):
    """An RGB mask in the colours that another program would use."""
    table = np.asarray(list((classes or CLASSES).values()), np.uint8)
    return Image.fromarray(table[mask])


def indexed(mask, palette):
    """A palette PNG: its pixels are the ids."""
    image = Image.fromarray(mask).convert("L")
    image = image.convert("P")
    image.putdata(mask.ravel().tolist())
    image.putpalette([c for colour in palette for c in colour])
    return image


def grey(mask):
    """Ids as they are, as a grey image."""
    return Image.fromarray(np.asarray(mask, np.uint8))


def save(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def photograph(seed, size=(48, 40)):
    pixels = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3))
    return Image.fromarray(pixels.astype(np.uint8))


def make(root, images=8, masks=5, draw=Image.fromarray, classes=None):
    """Writes images/0.jpg, ... and masks/0.png, ... with the ids `ids(i)`."""
    # Val and test have photographs of their own.
    first = {"val": 100, "test": 200}.get(root.name, 0)
    for i in range(images):
        save(root / f"images/{i}.jpg", photograph(first + i))
    for i in range(masks):
        save(root / f"masks/{i}.png", draw(ids(i)))
    if classes is not None:
        (root / "classes.json").write_text(json.dumps(classes))
    return root
