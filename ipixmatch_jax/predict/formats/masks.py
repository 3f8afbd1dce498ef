"""Masks: class ids as indexed PNGs, in the colours of the classes."""

import pathlib

from PIL import Image

from ipixmatch_jax.predict.formats.base import (
    LabelFormat,
    LabelledImage,
    Labelling,
)
from ipixmatch_jax.utils.atomic import replace_file

FOLDER = "predictions"


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
        picture = Image.fromarray(image.ids)
        picture.putpalette([c for rgb in labelling.palette for c in rgb])
        path = out / file
        path.parent.mkdir(parents=True, exist_ok=True)
        with replace_file(path) as partial:
            picture.save(partial, format="PNG")
