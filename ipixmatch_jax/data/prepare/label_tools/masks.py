"""Paints the mask of an image, and says which shapes it does not show."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ipixmatch_jax.data.files import decode
from ipixmatch_jax.data.prepare.label_tools.class_ids import ClassIds
from ipixmatch_jax.data.prepare.label_tools.export import Picture
from ipixmatch_jax.utils.counts import count_of


class UnseenShapes(NamedTuple):
    """The shapes of an image that its mask does not show.

    Attributes:
      outside: names the shapes that cover no pixel of the image.
      hidden: names the shapes that lie wholly below shapes of other classes.
    """

    outside: tuple[str, ...]
    hidden: tuple[str, ...]


def paint_mask(
    picture: Picture, content: bytes, classes: ClassIds
) -> tuple[np.ndarray, UnseenShapes]:
    """Draws the shapes of a labelled image from the bottom up.

    Args:
      picture: with `draw`.
      content: the bytes of the image.
      classes: of the export.

    Returns:
      uint8 [height, width], class ids; and what they do not show.

    Raises:
      ValueError: a shape cannot be drawn, none covers a pixel, or the image
        is not of the size that the export gives.
    """
    assert picture.draw is not None
    where = picture.photograph.where
    height, width = decode.read_size(where, content)
    if picture.size not in (None, (height, width)):
        raise ValueError(_other_size(picture, height, width))
    ids = np.full((height, width), classes.uncovered, np.uint8)
    # The number of the shape that gave a pixel its class, 0 for none.
    owner = np.zeros((height, width), np.int32)
    outside, painted = [], {}
    for number, layer in enumerate(picture.draw(height, width), 1):
        class_id = classes.ids[layer.label]
        new = layer.pixels & ((ids != class_id) | (owner == 0))
        owner[new], ids[new] = number, class_id
        if new.any():
            painted[number] = layer.where
        elif not layer.pixels.any():
            outside.append(layer.where)
    if outside and not painted:
        raise ValueError(
            f"{outside[0]} covers no pixel of {where}, and neither does any "
            "other shape of this image: look at it in the label tool."
        )
    seen = set(np.unique(owner).tolist())
    hidden = [place for number, place in painted.items() if number not in seen]
    return ids, UnseenShapes(tuple(outside), tuple(hidden))


def notes_on(unseen: Sequence[UnseenShapes]) -> list[str]:
    """Sentences on the shapes that the masks of an export do not show."""
    notes = []
    outside = [place for one in unseen for place in one.outside]
    if outside:
        lie = "lies" if len(outside) == 1 else "lie"
        notes.append(
            f"{count_of(len(outside), 'shape')} {lie} outside the image or "
            f"between its pixels, the first {outside[0]}."
        )
    hidden = [place for one in unseen for place in one.hidden]
    if hidden:
        lie = "lies" if len(hidden) == 1 else "lie"
        notes.append(
            f"{count_of(len(hidden), 'shape')} {lie} wholly below shapes of "
            f"another class, the first {hidden[0]}: if it belongs on top, "
            "change the order in the label tool."
        )
    return notes


def _other_size(picture: Picture, height: int, width: int) -> str:
    assert picture.size is not None
    drawn, where = picture.size, picture.photograph.where
    sentence = (
        f"{picture.listed_in} has labels of {drawn[1]}x{drawn[0]} pixels, and "
        f"{where} is {width}x{height}"
    )
    if drawn == (width, height):
        return (
            f"{sentence} when it is turned upright as its EXIF says: export "
            "again with images that are turned upright."
        )
    return f"{sentence}: put the image there that was labelled."
