"""Masks of one's own data to class ids, as `mask_reading` decided."""

import functools
import pathlib
from collections.abc import Sequence

import numpy as np
from PIL import Image

from ipixmatch_jax.data.files import mask_refusals
from ipixmatch_jax.data.files.class_list import (
    UNLISTED,
    ClassList,
    Colour,
    numbered_classes,
    voc_colour,
)
from ipixmatch_jax.data.files.mask_contents import (
    Content,
    colour_of,
    mask_content,
)
from ipixmatch_jax.data.files.reading import Reading
from ipixmatch_jax.data.files.stored_masks import StoredMask
from ipixmatch_jax.data.source import IGNORE, BadFileError


def to_ids(mask: StoredMask, path: str, reading: Reading) -> Image.Image:
    """Class ids of a mask: mode "L", 255 = left out.

    Raises:
      BadFileError: an id or a colour is not listed.
    """
    if mask.kind == "RGB" and "RGB" in reading.by_colour:
        ids = _of_rgb(mask.values, reading.classes)
    else:
        values = _one_band(mask, path)
        find = reading.lookup(mask.kind)
        table = [find(value, colour_of(mask, value)) for value in range(256)]
        ids = np.asarray(table, np.uint8)[values]
    if (ids == UNLISTED).any():  # the file is not what it was
        content = mask_content(mask, path)
        pixels = mask_refusals.unlisted(content, reading)
        raise BadFileError(
            mask_refusals.unlisted_words(content, pixels, reading, 0)
        )
    return Image.fromarray(ids)


def _one_band(mask: StoredMask, path: str) -> np.ndarray:
    """The values; those of an RGB mask whose three bands are the same."""
    if mask.kind != "RGB":
        return mask.values
    if (mask.values != mask.values[..., :1]).any():
        raise BadFileError(
            f"The mask {path} holds colours, but the masks of this data set "
            "hold ids."
        )
    return mask.values[..., 0]


@functools.lru_cache(maxsize=4)
def _sorted_colours(classes: ClassList) -> tuple[np.ndarray, np.ndarray]:
    pairs = sorted(
        (r << 16 | g << 8 | b, k)
        for (r, g, b), k in classes.of_colours().items()
    )
    codes, ids = zip(*pairs, strict=True)
    return np.asarray(codes, np.uint32), np.asarray(ids, np.uint8)


def _of_rgb(pixels: np.ndarray, classes: ClassList) -> np.ndarray:
    codes, ids = _sorted_colours(classes)
    pixels = pixels.astype(np.uint32)
    pixels = pixels[..., 0] << 16 | pixels[..., 1] << 8 | pixels[..., 2]
    at = np.minimum(np.searchsorted(codes, pixels), len(codes) - 1)
    return np.where(codes[at] == pixels, ids[at], np.uint8(UNLISTED))


def classes_of_ids(
    contents: Sequence[Content], root: pathlib.Path
) -> ClassList:
    """The classes of masks of ids that come without a class list.

    As many as the greatest id says, called `class 0` and so on, in the
    colours of the palettes, or else in VOC's.

    Raises:
      ValueError: the masks hold colours, palettes that differ, fewer than
        two ids, or ids with wide gaps; the sentence holds a class list to
        start from.
    """
    how = (
        f"Write {root}/classes.json with a name for each, in the order that "
        f"the classes get, such as {mask_refusals.draft(contents)}"
    )
    smooth = [content for content in contents if content.smoothed]
    if smooth:
        raise ValueError(mask_refusals.smoothed(smooth))
    for content in contents:
        if content.kind == "RGB":
            raise ValueError(
                f"The mask {content.path} holds RGB colours, and nothing says "
                f"which class each stands for. {how}."
            )
    mask_refusals.check_one_place(contents, how)
    palette = _palette(contents, how)
    ids = {v for content in contents for v in content.values} - {IGNORE}
    count = max(ids, default=0) + 1
    if len(ids) < 2 or count > 4 * len(ids):
        raise ValueError(
            f"The masks of {root} hold the values "
            f"{', '.join(map(str, sorted(ids)))} beside {IGNORE}, which is "
            f"left out of training; these are not ids of classes. {how}."
        )
    colours = [palette[k] for k in range(count) if k in palette]
    if len(set(colours)) < count:
        colours = [voc_colour(k) for k in range(count)]
    return numbered_classes(
        count, colours, f"{root}/classes.json (not there yet)"
    )


def _palette(contents: Sequence[Content], how: str) -> dict[int, Colour]:
    """The colour of each index, which all indexed masks agree on."""
    found = mask_refusals.colours_of_indices(contents)
    for value, colours in found.items():
        if len(colours) > 1:
            (one, first), (other, second), *_ = colours.items()
            words = mask_refusals.palettes_differ(
                value, one, first, other, second
            )
            raise ValueError(f"{words} {how}.")
    return {value: next(iter(colours)) for value, colours in found.items()}
