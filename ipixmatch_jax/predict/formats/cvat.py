"""CVAT's "Segmentation mask 1.1", which is PASCAL VOC's layout.

    cvat/labelmap.txt                         names and colours
    cvat/ImageSets/Segmentation/default.txt   names of the images
    cvat/SegmentationClass/a/b.png            the colours of the classes
    cvat/SegmentationObject/a/b.png           the colours of the objects
    cvat.zip                                  all of these, for CVAT

Every connected part of a class is an object, in VOC's colour of its number.
Pixels of no object are black in both, and CVAT draws no shape for them.

Source: the voc format of the package datumaro, which CVAT reads it with.
"""

import io
import pathlib
import zipfile
from collections.abc import Sequence

import numpy as np
from PIL import Image

from ipixmatch_jax.data.files.class_list import Colour, voc_colour
from ipixmatch_jax.data.label_formats import labelmap
from ipixmatch_jax.predict.formats.base import (
    LabelFormat,
    LabelledImage,
    Labelling,
)
from ipixmatch_jax.predict.formats.parts import find_parts
from ipixmatch_jax.utils.atomic import replace_file, write_file
from ipixmatch_jax.utils.file_names import name_bytes, printable
from ipixmatch_jax.utils.pictures import colour_mask

FOLDER = "cvat"
_ZIP = "cvat.zip"
_CLASSES = "SegmentationClass"
_OBJECTS = "SegmentationObject"
_NAMES = "ImageSets/Segmentation/default.txt"
_MOST = 255  # objects of an image that VOC has colours for
_BACKGROUND, _BLACK = "background", (0, 0, 0)
_VOC = tuple(voc_colour(k) for k in range(_MOST + 1))


class Cvat(LabelFormat):
    """`cvat.zip`, and the folder `cvat` that it is made of."""

    purpose = 'a zip for CVAT\'s "Segmentation mask 1.1"'
    options = ("background",)
    picture_folders = (f"{FOLDER}/{_CLASSES}", f"{FOLDER}/{_OBJECTS}")
    joined = (_ZIP,)

    def image_files(self, name: str) -> tuple[str, ...]:
        """The PNG of the classes and that of the objects."""
        return tuple(f"{f}/{name}.png" for f in self.picture_folders)

    def write_image(
        self, out: pathlib.Path, image: LabelledImage, labelling: Labelling
    ) -> None:
        """Writes both PNGs, each whole or not at all."""
        colours = dict(_list_classes(labelling))
        table = [colours[name] for name in labelling.class_names]
        objects = number_objects(image, labelling)
        classes = colour_mask(image.ids, table)
        classes[objects == 0] = colours[_BACKGROUND]
        pictures = (classes, np.array(_VOC, np.uint8)[objects])
        files = self.image_files(image.name)
        for file, picture in zip(files, pictures, strict=True):
            data = io.BytesIO()
            Image.fromarray(picture).save(data, format="PNG")
            write_file(out / file, data.getvalue())

    def join(self, out: pathlib.Path, labelling: Labelling) -> None:
        """Writes the lists and the zip."""
        folder = out / FOLDER
        names = _finished(folder)
        lists = {
            labelmap.FILE: labelmap.write_labelmap(_list_classes(labelling)),
            _NAMES: "".join(f"{printable(name)}\n" for name in names),
        }
        for file, text in lists.items():
            write_file(folder / file, text.encode())
        pictures = [f"{f}/{n}.png" for f in (_CLASSES, _OBJECTS) for n in names]
        with (
            replace_file(out / _ZIP) as partial,
            zipfile.ZipFile(partial, "w") as archive,
        ):
            for file in [*lists, *pictures]:
                # Without the time, so that the same masks give the same file.
                entry = zipfile.ZipInfo(printable(file))
                archive.writestr(entry, (folder / file).read_bytes())

    def check(self, names: Sequence[str], labelling: Labelling) -> None:
        """Refuses names that labelmap.txt or default.txt cannot hold."""
        labelmap.write_labelmap(_list_classes(labelling))
        for name in names:
            if name.startswith("#") or name != name.strip() or "\n" in name:
                raise ValueError(
                    f"The image {name!r} cannot stand in CVAT's list of "
                    "images, where # begins a comment and spaces around a "
                    "name are dropped: rename it."
                )


def number_objects(image: LabelledImage, labelling: Labelling) -> np.ndarray:
    """The number of the object at each pixel, uint8 [H, W]; 0: none.

    Every part is an object. Where there are more parts than VOC has colours,
    the smallest parts of each class become one object together.
    """
    parts = sorted(find_parts(image, labelling), key=lambda part: -part.area)
    alone = _MOST
    if len(parts) > _MOST:
        alone -= len({part.class_id for part in parts})
    objects = np.zeros(image.ids.shape, np.uint8)
    shared: dict[int, int] = {}
    for number, part in enumerate(parts, 1):
        if number > alone:
            number = shared.setdefault(part.class_id, alone + 1 + len(shared))
        height, width = part.mask.shape
        box = objects[part.top :, part.left :][:height, :width]
        box[part.mask] = number
    return objects


def _list_classes(labelling: Labelling) -> list[tuple[str, Colour]]:
    """Names and colours, `background` first and in black.

    Colours that two classes share, or that `background` needs, are replaced
    by VOC's, since CVAT tells classes by their colours.
    """
    names = [n for n in labelling.class_names if n != _BACKGROUND]
    palette = dict(zip(labelling.class_names, labelling.palette, strict=True))
    classes: dict[str, Colour] = {_BACKGROUND: _BLACK}
    spare = (c for c in _VOC[1:] if c not in labelling.palette)
    for name in names:
        colour = palette[name]
        if colour in classes.values():
            colour = next(spare)
        classes[name] = colour
    return list(classes.items())


def _finished(folder: pathlib.Path) -> list[str]:
    """The names of the images that have both PNGs, in order."""
    of_both = (
        {
            path.relative_to(folder / kind).with_suffix("").as_posix()
            for path in (folder / kind).rglob("*.png")
        }
        for kind in (_CLASSES, _OBJECTS)
    )
    return sorted(set.intersection(*of_both), key=name_bytes)
