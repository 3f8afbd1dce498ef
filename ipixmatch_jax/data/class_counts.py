"""Counts the classes in masks, and names those that never occur."""

import concurrent.futures
import logging
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from ipixmatch_jax.data.source import IGNORE, BadFileError, DataSet, Source
from ipixmatch_jax.utils.threads import READERS

_LOGGER = logging.getLogger(__name__)


class ClassCounts(NamedTuple):
    """Pixels and images per class, over the masks of one source.

    Attributes:
      pixels: int64 [num_classes], the pixels of each class.
      images: int64 [num_classes], how many images hold the class.
      ignored: how many pixels training leaves out.
    """

    pixels: np.ndarray
    images: np.ndarray
    ignored: int


def count_classes(
    source: Source, num_classes: int, on_error: str = "stop"
) -> ClassCounts:
    """Reads every mask of a source once.

    Raises:
      BadFileError: a mask cannot be used, and on_error is not "skip".
    """

    def look(i: int) -> list[int]:
        try:
            mask = source.mask(i)
        except BadFileError:
            if on_error == "skip":
                return [0] * 256
            raise
        if mask is None:
            raise ValueError(f"{source.name(i)} has no mask to count.")
        return mask.histogram()

    with concurrent.futures.ThreadPoolExecutor(READERS) as pool:
        rows = list(pool.map(look, range(len(source))))
    return count_from_histograms(
        np.asarray(rows, np.int64).reshape(-1, 256), num_classes
    )


def count_from_histograms(
    histograms: np.ndarray, num_classes: int
) -> ClassCounts:
    """Counts the classes from the masks' histograms, int64 [masks, 256]."""
    return ClassCounts(
        pixels=histograms[:, :num_classes].sum(0),
        images=(histograms[:, :num_classes] > 0).sum(0),
        ignored=int(histograms[:, IGNORE].sum()),
    )


def balanced_weights(counts: ClassCounts) -> tuple[float, ...]:
    """One weight per class: all pixels / (classes x pixels of the class).

    This is the inverse frequency, scaled so that the weight of a pixel is 1 on
    average (scikit-learn's "balanced"). Classes without a pixel are not
    counted; their weight is 1 and is never used.

    Raises:
      ValueError: no pixel has a class.
    """
    there = counts.pixels > 0
    if not there.any():
        raise ValueError(
            "loss.class_weights=balanced counts the labelled pixels of each "
            "class, and no labelled pixel has a class."
        )
    share = counts.pixels * there.sum() / counts.pixels.sum()
    weights = 1 / np.where(there, share, 1)
    return tuple(float(f"{weight:.6g}") for weight in weights)


def format_classes(
    data: DataSet, labelled: ClassCounts, val: ClassCounts
) -> tuple[list[str], list[str]]:
    """Formats a table of the classes, and warnings about missing ones.

    It counts labelled pixels, labelled images and val images. The share of a
    class is its share of the labelled pixels that have a class. The name comes
    last, so that a long one does not move the columns.

    Returns:
      (lines of the table, warnings).
    """
    test = "" if data.test is None else f", {len(data.test)} test"
    lines = [
        f"Images: {len(data.labelled)} labelled, {len(data.unlabelled)} "
        f"unlabelled, {len(data.val)} val{test}",
        f"{'id':>3}  {'colour':<11}{'pixels':>14}{'share':>8}{'images':>8}"
        f"{'val':>6}  class",
    ]
    total = max(1, labelled.pixels.sum())
    for k, name in enumerate(data.class_names):
        colour = " ".join(f"{c:3d}" for c in data.palette[k])
        lines.append(
            f"{k:3d}  {colour}{labelled.pixels[k]:14,d}"
            f"{labelled.pixels[k] / total:8.2%}{labelled.images[k]:8d}"
            f"{val.images[k]:6d}  {name}"
        )
    lines.append(f"Left out (255): {labelled.ignored:,d} labelled pixels")
    return lines, _missing(data, labelled, val)


def _missing(
    data: DataSet, labelled: ClassCounts, val: ClassCounts
) -> list[str]:
    """A warning for each set that lacks classes, with their names."""
    warnings = []
    lost = _absent(data, labelled.images)
    if lost:
        it = "it" if len(lost) == 1 else "them"
        warnings.append(
            f"No labelled training image shows {_names(lost)}: what is never "
            f"shown is not learned. Label an image with {it}, or take {it} "
            "off the class list."
        )
    return warnings + describe_val(data, val.images)


def describe_val(data: DataSet, counts: Iterable[int]) -> list[str]:
    """Sentences on why the scores on val may mislead.

    Args:
      data: any data set.
      counts: one per class, 0 for those that no val image shows.
    """
    cautions = []
    lost = _absent(data, counts)
    if lost:
        one = len(lost) == 1
        iou = "its IoU there is 0 and lowers"
        ious = "their IoUs there are 0 and lower"
        cautions.append(
            f"No val image shows {_names(lost)}: {iou if one else ious} the "
            "mean over classes, whatever the network learns. Label an image "
            f"with {'it' if one else 'them'} for val, or hold out more."
        )
    if len(data.val) == 1:
        cautions.append(
            f"Val is a single image, {data.val.name(0)}, so scores and the "
            "choice of the best checkpoint rest on it alone: label more "
            "images, or hold out more."
        )
    return cautions


def _absent(data: DataSet, counts: Iterable[int]) -> list[str]:
    pairs = zip(data.class_names, counts, strict=True)
    return [name for name, count in pairs if count == 0]


def _names(names: list[str]) -> str:
    return ", ".join(map(repr, names))


def log_classes(data: DataSet, on_error: str) -> None:
    """Logs the classes of a data set and warns of those that are missing.

    Args:
      data: any data set.
      on_error: "skip" leaves out labelled images whose files cannot be used.

    Raises:
      BadFileError: a mask of val cannot be used; with "stop" also a labelled
        one.
    """
    num_classes = len(data.class_names)
    labelled = count_classes(data.labelled, num_classes, on_error)
    val = count_classes(data.val, num_classes)
    lines, warnings = format_classes(data, labelled, val)
    for line in (*lines, *data.notes):
        _LOGGER.info("%s", line)
    for warning in warnings:
        _LOGGER.warning("WARNING: %s", warning)
