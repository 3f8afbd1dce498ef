"""CVAT's "Segmentation mask 1.1", which is laid out as VOC is.

    labelmap.txt                       classes and their colours
    ImageSets/Segmentation/NAME.txt    the images of each subset
    SegmentationClass/a.png            a mask in these colours
    JPEGImages/a.jpg                   the image, if images were exported

An image without a mask has no labels. Masks may hold the colours themselves or
a palette. The background, and black that labelmap.txt does not list, is what no
shape covers.
"""

import functools
import posixpath
from collections.abc import Iterator, Mapping

import numpy as np

from ipixmatch_jax.data.files.class_list import Colour
from ipixmatch_jax.data.files.stored_masks import read_stored
from ipixmatch_jax.data.label_formats.labelmap import parse_labelmap
from ipixmatch_jax.data.prepare.label_tools.export import (
    Export,
    Layer,
    Picture,
)
from ipixmatch_jax.data.prepare.label_tools.export_files import ExportFiles
from ipixmatch_jax.data.prepare.label_tools.photographs import (
    Photograph,
    Photographs,
)
from ipixmatch_jax.utils.quoting import quote

_CLASSES, _OBJECTS = "SegmentationClass", "SegmentationObject"
_IMAGES = "JPEGImages"
_LISTS = "ImageSets/Segmentation"


def read_masks(
    files: ExportFiles, photographs: Photographs, labelmap: str
) -> Export:
    """Reads the masks and lists beside a labelmap.txt.

    Raises:
      ValueError: an image is missing, two classes have one colour, or
        labelmap.txt is malformed.
    """
    top = posixpath.dirname(labelmap)
    where = files.where(labelmap)
    classes = parse_labelmap(files.read_text(labelmap), where)
    of_colour = _classes_by_colour(classes, where)
    masks = _below(files, posixpath.join(top, _CLASSES), photographs)
    _below(files, posixpath.join(top, _OBJECTS), photographs)
    listed = _listed(files, posixpath.join(top, _LISTS))
    if not masks:
        raise ValueError(
            f"{files.source} holds no masks in {_CLASSES}/: label an image in "
            "CVAT, and export again."
        )
    pictures = []
    for name in [*listed, *(n for n in masks if n not in listed)]:
        said = files.where(masks[name]) if name in masks else where
        photograph = _photograph(name, top, said, photographs)
        draw = None
        if name in masks:
            draw = functools.partial(_draw, files, masks[name], of_colour)
        ending = posixpath.splitext(photograph.name)[1]
        part = listed.get(name, "")
        pictures.append(
            Picture(name + ending, part, photograph, said, None, draw)
        )
    return Export(pictures, classes, fills_background=True)


def _classes_by_colour(
    classes: list[tuple[str, Colour]], where: str
) -> dict[Colour, str]:
    found: dict[Colour, str] = {}
    for name, colour in classes:
        if colour in found:
            raise ValueError(
                f"{where} gives {found[colour]} and {name} the same colour, "
                f"{colour}, so the masks do not tell them apart: give one of "
                'them another colour in CVAT, or export as "CVAT for images".'
            )
        found[colour] = name
    return found


def _below(
    files: ExportFiles, folder: str, photographs: Photographs
) -> dict[str, str]:
    """The PNGs of a folder of masks by name; they are not photographs."""
    start, found = f"{folder}/", {}
    for name in files.with_ending(".png"):
        if name.startswith(start):
            found[name[len(start) : -len(".png")]] = name
            photographs.exclude(files, name)
    return found


def _listed(files: ExportFiles, folder: str) -> dict[str, str]:
    """image -> the list that names it, such as "train" or "default"."""
    found: dict[str, str] = {}
    for name in files.with_ending(".txt"):
        if posixpath.dirname(name) != folder:
            continue
        part = posixpath.splitext(posixpath.basename(name))[0]
        for line in files.read_text(name).splitlines():
            image = line.strip()
            if image in found and found[image] != part:
                raise ValueError(
                    f"{files.where(name)} and {found[image]}.txt beside it "
                    f"both name {image}: an image belongs to one list."
                )
            if image:
                found[image] = part
    return found


def _photograph(
    name: str, top: str, said_by: str, photographs: Photographs
) -> Photograph:
    near = posixpath.join(top, _IMAGES)
    found = photographs.look_up_stem(name, said_by, near)
    if found is None:
        raise ValueError(
            f"{said_by} is of the image {quote(name)}, which is not there: "
            'export with "Save images", or name the folder of the images with '
            "--images."
        )
    return found


def _draw(
    files: ExportFiles,
    name: str,
    of_colour: Mapping[Colour, str],
    height: int,
    width: int,
) -> Iterator[Layer]:
    """The pixels of each colour of a mask."""
    mask = read_stored(files.where(name), files.read(name))
    if mask.size != (width, height):
        raise ValueError(
            f"{files.where(name)} is {mask.size[0]}x{mask.size[1]} pixels, and "
            f"its image is {width}x{height}."
        )
    colours = _colours(mask.values, mask.palette)
    codes = colours @ np.array([1 << 16, 1 << 8, 1])
    for code in np.unique(codes).tolist():
        colour = (code >> 16, code >> 8 & 255, code & 255)
        if colour not in of_colour:
            if colour == (0, 0, 0):
                continue
            raise ValueError(
                f"{files.where(name)} holds the colour {colour}, which "
                "labelmap.txt does not list: export it again."
            )
        yield Layer(of_colour[colour], codes == code, files.where(name))


def _colours(values: np.ndarray, palette: tuple[Colour, ...]) -> np.ndarray:
    """Int [H, W, 3], whatever the kind of the mask."""
    if values.ndim == 3:
        return values.astype(np.int64)
    table = np.repeat(np.arange(256)[:, None], 3, 1)
    table[: len(palette)] = palette or table[:0]
    return table[values]
