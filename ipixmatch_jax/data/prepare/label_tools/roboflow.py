"""Roboflow: "COCO segmentation" and "semantic segmentation masks".

    train/_annotations.coco.json with the images beside it; or
    train/_classes.csv, train/NAME.jpg and train/NAME_mask.png, grey ids

and valid/ and test/ as well. An image without a mask, or without a shape, has
no labels. Roboflow turns images upright unless it is told not to.
"""

import csv
import functools
import posixpath
from collections.abc import Iterator, Mapping

import numpy as np

from ipixmatch_jax.data.files import walk
from ipixmatch_jax.data.files.stored_masks import read_stored
from ipixmatch_jax.data.prepare.label_tools import fields
from ipixmatch_jax.data.prepare.label_tools.coco_instances import read_coco
from ipixmatch_jax.data.prepare.label_tools.export import (
    Export,
    Layer,
    NotAnExportError,
    Picture,
    Rules,
)
from ipixmatch_jax.data.prepare.label_tools.export_files import ExportFiles
from ipixmatch_jax.data.prepare.label_tools.photographs import Photographs

_CLASSES, _MASK = "_classes.csv", "_mask.png"
_ANNOTATIONS = "_annotations.coco.json"


def read_roboflow(
    files: ExportFiles, photographs: Photographs, rules: Rules
) -> Export:
    """Reads the export that the files are.

    Raises:
      ValueError: they are neither, or cannot be used.
    """
    tables = [n for n in files.names if posixpath.basename(n) == _CLASSES]
    lists = [n for n in files.names if posixpath.basename(n) == _ANNOTATIONS]
    masks = [n for n in files.names if n.endswith(_MASK)]
    if lists and not masks:
        return read_coco(files, photographs, rules)
    if not tables or not masks:
        raise NotAnExportError(
            f"{files.source} holds neither {_ANNOTATIONS} nor {_CLASSES} "
            'with masks: export the version as "COCO segmentation" or as '
            '"semantic segmentation masks".'
        )
    classes = {
        posixpath.dirname(name): _read_classes(files, name) for name in tables
    }
    first = next(iter(classes.values()))
    for name, other in zip(tables, classes.values(), strict=True):
        if other != first:
            raise ValueError(
                f"{files.where(name)} and {files.where(tables[0])} list "
                "different classes: export the version again."
            )
    for name in masks:
        photographs.exclude(files, name)
    pictures = [_picture(name, files, photographs, classes) for name in masks]
    labels = [(label, None) for label in first.values()]
    return Export(pictures, labels, fills_background=True)


def _read_classes(files: ExportFiles, name: str) -> dict[int, str]:
    """id -> label of a `Pixel Value, Class` table, by id."""
    where = files.where(name)
    found: dict[int, str] = {}
    try:
        rows = list(csv.reader(files.read_text(name).splitlines()))
    except csv.Error as error:
        raise ValueError(
            f"{where} is not a table ({error}): export the version again."
        ) from error
    for row in rows[1:]:
        if not row:
            continue
        if len(row) < 2:
            raise ValueError(
                f"{where}: the row {row} is not a pixel value and a class."
            )
        value = fields.whole_number(row[0], f"{where}: a pixel value")
        if value in found:
            raise ValueError(f"{where} gives the value {value} two classes.")
        found[value] = row[1].strip()
    return dict(sorted(found.items()))


def _picture(
    name: str,
    files: ExportFiles,
    photographs: Photographs,
    classes: Mapping[str, Mapping[int, str]],
) -> Picture:
    where, folder = files.where(name), posixpath.dirname(name)
    if folder not in classes:
        raise ValueError(
            f"{where} has no {_CLASSES} beside it: export the version again."
        )
    stem = posixpath.basename(name)[: -len(_MASK)]
    photograph = photographs.look_up_stem(stem, where, folder)
    if photograph is None:
        raise ValueError(
            f"{where} has no image {stem} beside it: export the version "
            "again, or name the folder of the images with --images."
        )
    draw = functools.partial(_draw, files, name, classes[folder])
    picture = stem + walk.ending(photograph.name)
    part = posixpath.basename(folder)
    return Picture(picture, part, photograph, where, None, draw)


def _draw(
    files: ExportFiles,
    name: str,
    labels: Mapping[int, str],
    height: int,
    width: int,
) -> Iterator[Layer]:
    """The pixels of each id of a mask."""
    where = files.where(name)
    mask = read_stored(where, files.read(name))
    if mask.kind == "RGB" and (mask.values == mask.values[..., :1]).all():
        mask = mask._replace(kind="grey", values=mask.values[..., 0])
    if mask.kind == "RGB" or mask.size != (width, height):
        raise ValueError(
            f"{where} is not a mask of ids of {width}x{height} pixels, the "
            "size of its image: export the version again."
        )
    for value in np.unique(mask.values).tolist():
        if value not in labels:
            raise ValueError(
                f"{where} holds the value {value}, which {_CLASSES} does not "
                "list: export the version again."
            )
        yield Layer(labels[value], mask.values == value, where)
