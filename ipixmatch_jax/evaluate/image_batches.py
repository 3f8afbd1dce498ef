"""Whole images in padded batches: their sizes, their plan, and what is read.

batch_loop.py runs a network over them.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import numpy as np

from ipixmatch_jax.data.source import BadFileError, Source, pixels
from ipixmatch_jax.evaluate.padded_shapes import (
    bucket_shapes,
    group_by_shape,
    shapes_of_multiples,
)
from ipixmatch_jax.models.segmenter import Segmenter
from ipixmatch_jax.utils.threads import READERS

Size = tuple[int, int]  # height and width in pixels
Key = TypeVar("Key")
Value = TypeVar("Value")


class Item(NamedTuple):
    """One image that was read.

    Attributes:
      image: uint8 [h, w, C].
      labels: uint8 [h, w], class ids with 255 = ignore; None without a mask.
    """

    image: np.ndarray
    labels: np.ndarray | None = None


class BatchPlan(NamedTuple):
    """Which images go into one batch.

    Attributes:
      shape: height and width that every image is padded to.
      indices: positions of the images, at most `slots`.
      slots: images of the batch over all processes; the rest stay empty.
      exact: whether no image of this shape is smaller than it, in which case
        nothing has to be masked.
    """

    shape: Size
    indices: list[int]
    slots: int
    exact: bool


class Batch(NamedTuple):
    """This process's part of a batch.

    Attributes:
      plan: of the whole batch.
      indices: positions of the images in the first slots.
      items: what was read for them, an Item or what is wrong with the file.
      images: uint8 [B, H, W, C], 0 in padding and empty slots.
      labels: uint8 [B, H, W], 255 in padding and empty slots.
      sizes: int32 [B, 2], true heights and widths, 0 for empty slots.
    """

    plan: BatchPlan
    indices: list[int]
    items: list[Item | BadFileError]
    images: np.ndarray
    labels: np.ndarray
    sizes: np.ndarray


def center_box(height: int, width: int, size: int) -> tuple[int, int, int, int]:
    """(top, left, bottom, right) of the centre crop, clipped to the image."""
    top, left = max((height - size) // 2, 0), max((width - size) // 2, 0)
    return top, left, min(top + size, height), min(left + size, width)


def read_sizes(
    source: Source, crop: int | None = None
) -> tuple[dict[int, Size], list[BadFileError]]:
    """Reads the size of every image of a source.

    Args:
      source: of the images.
      crop: side of the centre crop that is used of each image, in pixels;
        None: the whole image.

    Returns:
      (height, width) by position, and the errors of the other images.
    """
    sizes, errors = {}, []
    # Headers come slowly from network disks.
    with ThreadPoolExecutor(READERS) as pool:
        found = list(pool.map(return_errors(source.size), range(len(source))))
    for index, size in enumerate(found):
        if isinstance(size, BadFileError):
            errors.append(size)
        else:
            height, width = size
            if crop is not None:
                height, width = min(height, crop), min(width, crop)
            sizes[index] = height, width
    return sizes, errors


def read_item(source: Source, index: int, crop: int | None = None) -> Item:
    """Reads an image of a source and its mask, cropped as `read_sizes` says.

    Raises:
      BadFileError: a file of this position cannot be used.
    """
    sample = source[index]
    image = pixels(sample.image)
    labels = None if sample.mask is None else np.asarray(sample.mask)
    if crop is not None:
        height, width = image.shape[:2]
        top, left, bottom, right = center_box(height, width, crop)
        image = image[top:bottom, left:right]
        if labels is not None:
            labels = labels[top:bottom, left:right]
    return Item(image, labels)


def return_errors(
    read: Callable[[Key], Value],
) -> Callable[[Key], Value | BadFileError]:
    """`read`, which returns a BadFileError instead of raising it."""

    def attempt(key: Key) -> Value | BadFileError:
        try:
            return read(key)
        except BadFileError as error:
            return error

    return attempt


def choose_shapes(
    network: Segmenter, sizes: list[Size], *, whole: bool = False
) -> list[Size]:
    """The padded shapes in which a network can see images of many sizes.

    Args:
      network: that sees them.
      sizes: height and width of each image.
      whole: where padding would change what the network predicts, as of
        windows and scaled images, images of each size have their own shape.

    Returns:
      at most eight shapes, for a network that can tell padding from image;
      else one for each size that the network sees.
    """
    if not sizes:
        return []
    if network.exact_when_padded:
        return bucket_shapes(sizes)
    return shapes_of_multiples(sizes, 1 if whole else network.side_multiple)


def plan_batches(
    sizes: dict[int, Size],
    count_slots: Callable[[Size, int], int],
    shapes: list[Size] | None = None,
) -> Iterator[BatchPlan]:
    """Groups images into batches of a few padded shapes.

    Args:
      sizes: (height, width) of the images by position.
      count_slots: (padded shape, images of that shape) -> images a batch.
      shapes: the padded shapes, see `choose_shapes`; None: at most eight that
        are chosen for these images.
    """
    if not sizes:
        return
    if shapes is None:
        shapes = bucket_shapes(list(sizes.values()))
    for shape, indices in group_by_shape(shapes, sizes):
        if not indices:
            continue
        slots = count_slots(shape, len(indices))
        exact = all(sizes[i] == shape for i in indices)
        for start in range(0, len(indices), slots):
            members = indices[start : start + slots]
            yield BatchPlan(shape, members, slots, exact)
