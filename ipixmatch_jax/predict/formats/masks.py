"""Masks: class ids as indexed PNGs, in the colours of the classes."""

import pathlib
from collections.abc import Sequence

import numpy as np
from PIL import Image

from ipixmatch_jax.predict.formats.base import (
    LabelFormat,
    LabelledImage,
    Labelling,
)
from ipixmatch_jax.utils.atomic import replace_file

FOLDER = "predictions"


def draw_mask(
    ids: np.ndarray, palette: Sequence[tuple[int, int, int]]
) -> Image.Image:
    """Class ids as an indexed picture, which is saved as PNG.

    Args:
      ids: uint8 [H, W].
      palette: one (red, green, blue) in 0..255 per class id.
    """
    picture = Image.fromarray(ids)
    picture.putpalette([c for rgb in palette for c in rgb])
    return picture


class Masks(LabelFormat):
    """`predictions/a/b.png` for the image `a/b.jpg`."""

    purpose = "PNGs of class ids"
    picture_folders = (FOLDER,)

    def image_files(self, name: str) -> tuple[str, ...]:
        """The PNG."""
        return (f"{FOLDER}/{name}.png",)

    def write_image(
        self, out: pathlib.Path, image: LabelledImage, labelling: Labelling
    ) -> None:
        """Writes the PNG, whole or not at all."""
        (file,) = self.image_files(image.name)
        picture = draw_mask(image.ids, labelling.palette)
        path = out / file
        path.parent.mkdir(parents=True, exist_ok=True)
        with replace_file(path) as partial:
            picture.save(partial, format="PNG")
