"""Masks as label tools save them, and folders of them."""

import numpy as np
from PIL import Image

from tests.data import own_folder as own

BLACK_WHITE = {"background": [0, 0, 0], "crack": [255, 255, 255]}
RED = {"background": [0, 0, 0], "crack": [255, 0, 0]}
VOID = RED | {"void": [255, 255, 255]}
RGB3 = {"ground": [0, 0, 0], "red": [255, 0, 0], "green": [0, 255, 0]}
COUNT = 6


def drawn(i):
    """uint8 [40, 48]: a square of class 1 on 0, elsewhere in each mask."""
    ids = np.zeros((40, 48), np.uint8)
    ids[i : i + 20, i : i + 20] = 1
    return ids


def three(i):
    """The same with a smaller square of class 2."""
    ids = drawn(i)
    ids[30:38, 35:45] = 2
    return ids


def grey(values, mode=None):
    image = Image.fromarray(np.asarray(values, np.uint8))
    return image.convert(mode, dither=Image.Dither.NONE) if mode else image


def white(ids, mode=None):
    return grey(ids * 255, mode)


def palette(ids, colours):
    image = grey(ids)
    image.putpalette([value for colour in colours for value in colour])
    return image


def folder(root, draw, classes, count=COUNT):
    """A folder whose mask i is `draw(i)`."""
    own.make(root, 8, 0, classes=classes)
    for i in range(count):
        own.save(root / f"masks/{i}.png", draw(i))
    return root
