"""A folder of one's own data, small: images of 48x40 and masks of any kind."""

import json

import numpy as np
from PIL import Image

CLASSES = {"ground": [10, 20, 30], "crack": [200, 0, 0], "leaf": [0, 90, 7]}


def ids(seed, count=3):
    """uint8 [40, 48], every class somewhere."""
    mask = np.random.default_rng(seed).integers(0, count, (40, 48))
    mask[0, :count] = np.arange(count)
    return mask.astype(np.uint8)


def rgb(mask, classes=None):
    """The colours of ids, as another program would draw them."""
    table = np.asarray(list((classes or CLASSES).values()), np.uint8)
    return Image.fromarray(table[mask])


def indexed(mask, palette):
    """A palette PNG: ids as they are, colours beside them."""
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
    """images/0.jpg, 1.jpg, ... and masks/0.png, ... with `ids(i)` in them."""
    # Val and test have photographs of their own.
    first = {"val": 100, "test": 200}.get(root.name, 0)
    for i in range(images):
        save(root / f"images/{i}.jpg", photograph(first + i))
    for i in range(masks):
        save(root / f"masks/{i}.png", draw(ids(i)))
    if classes is not None:
        (root / "classes.json").write_text(json.dumps(classes))
    return root
