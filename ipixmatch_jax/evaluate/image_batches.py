"""The one loop that runs a network over whole images in padded batches.

Scoring, prediction, the report and the suggestions all go through it: plan the
batches, read each one's images with a few threads, run a compiled program on
the batch, and hand out the results while the device works on the next batch.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import numpy as np

from ipixmatch_jax.data.source import IGNORE, BadFileError, Source, pixels
from ipixmatch_jax.evaluate.padded_shapes import (
    bucket_shapes,
    group_by_shape,
    pad_images,
    shapes_of_multiples,
)
from ipixmatch_jax.models.segmenter import Segmenter
from ipixmatch_jax.utils.threads import READERS
from ipixmatch_jax.utils.waiting import wait_for_data

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
    for index in range(len(source)):
        try:
            height, width = source.size(index)
        except BadFileError as error:
            errors.append(error)
            continue
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


def run_batches(
    plans: Iterable[BatchPlan],
    read: Callable[[int], Item | BadFileError],
    run: Callable[[Batch], Value],
    *,
    channels: int,
    process: tuple[int, int] = (0, 1),
    should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[tuple[Batch, Value]]:
    """Reads planned batches and runs a program on each.

    Results come one batch late: the device works on a batch while the next
    one is read and while the caller uses the one before.

    Args:
      plans: of `plan_batches`.
      read: position -> the image; see `return_errors`.
      run: starts the program on a batch and returns what it computes.
      channels: C of the images.
      process: index of this process and their number; each reads its part of
        the slots.
      should_stop: () -> whether to give up waiting for images.

    Yields:
      each batch with what `run` returned for it.

    Raises:
      StoppedWaitingError: `should_stop` said so before an image was read.
    """
    pending = None
    with contextlib.ExitStack() as stack:
        pool = ThreadPoolExecutor(READERS)
        # A thread that hangs must not keep a signal waiting.
        stack.callback(pool.shutdown, wait=False, cancel_futures=True)
        for plan in plans:
            items = _read_items(plan, read, pool, process, should_stop)
            batch = _make_batch(plan, items, channels, process)
            result = run(batch)
            if pending is not None:
                yield pending
            pending = batch, result
    if pending is not None:
        yield pending


def _own_part(plan: BatchPlan, process: tuple[int, int]) -> list[int]:
    """The positions that this process reads."""
    index, processes = process
    slots = plan.slots // processes
    return plan.indices[slots * index : slots * (index + 1)]


def _read_items(
    plan: BatchPlan,
    read: Callable[[int], Item | BadFileError],
    pool: ThreadPoolExecutor,
    process: tuple[int, int],
    should_stop: Callable[[], bool],
) -> list[Item | BadFileError]:
    reads = [pool.submit(read, i) for i in _own_part(plan, process)]
    wait_for_data(reads, should_stop, "an image to score")
    return [one.result() for one in reads]


def _make_batch(
    plan: BatchPlan,
    items: list[Item | BadFileError],
    channels: int,
    process: tuple[int, int],
) -> Batch:
    indices, slots = _own_part(plan, process), plan.slots // process[1]
    images = [None if isinstance(i, BadFileError) else i.image for i in items]
    batch, sizes = pad_images(images, plan.shape, slots, channels)
    labels = np.full((slots, *plan.shape), IGNORE, np.uint8)
    for slot, item in enumerate(items):
        if not isinstance(item, BadFileError) and item.labels is not None:
            height, width = item.labels.shape
            labels[slot, :height, :width] = item.labels
    return Batch(plan, indices, items, batch, labels, sizes)
