"""Makes the folder of the tutorial: 30 drawn pictures, 6 with masks."""

import json

import numpy as np
from PIL import Image, ImageDraw

CLASSES = {"ground": [90, 60, 30], "leaf": [40, 180, 60], "stone": [0, 0, 200]}
SIZE = (64, 48)  # width, height
IMAGES, MASKS = 30, 6


def photograph(i, size=SIZE):
    """Draws scene i, a leaf and a stone on the ground: image and ids."""
    rng = np.random.default_rng(i)
    image = Image.new("RGB", size, tuple(rng.integers(60, 120, 3).tolist()))
    ids = Image.new("L", size, 0)
    for number, colour in ((1, (60, 170, 70)), (2, (170, 170, 180))):
        left = int(rng.integers(0, size[0] // 2))
        top = int(rng.integers(0, size[1] // 2))
        box = (left, top, left + size[0] // 3, top + size[1] // 3)
        for picture, fill in ((image, colour), (ids, number)):
            draw = ImageDraw.Draw(picture)
            (draw.ellipse if number == 1 else draw.rectangle)(box, fill=fill)
    pixels = np.asarray(image) + rng.normal(0, 12, (*size[::-1], 3))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8)), ids


def coloured(ids):
    """Turns ids into an RGB mask in the colours of CLASSES."""
    table = np.array(list(CLASSES.values()), np.uint8)
    return Image.fromarray(table[np.asarray(ids)])


def make(root, images=IMAGES, masks=MASKS, draw=coloured, classes=CLASSES):
    """Writes images/photo_00.jpg, ... and, for the first ones, masks."""
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    for i in range(images):
        image, ids = photograph(i)
        image.save(root / f"images/photo_{i:02}.jpg", quality=95)
        if i < masks:
            draw(ids).save(root / f"masks/photo_{i:02}.png")
    if classes is not None:
        (root / "classes.json").write_text(json.dumps(classes))
    return root
