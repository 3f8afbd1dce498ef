"""The one loop that runs a network over whole images in padded batches.

Scoring, prediction, the report and the suggestions all go through it: a few
threads read the images of the next batches, a compiled program runs on one
batch after another, and the results are handed out while the device works on
the next batch.
"""

import contextlib
import math
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import numpy as np

from ipixmatch_jax.data.source import IGNORE, BadFileError
from ipixmatch_jax.evaluate.image_batches import Batch, BatchPlan, Item
from ipixmatch_jax.evaluate.padded_shapes import pad_images
from ipixmatch_jax.utils.threads import READERS
from ipixmatch_jax.utils.waiting import StoppedWaitingError, wait_for_data

Value = TypeVar("Value")

# What is read ahead: the batch after the one that is waited for, and more
# until there are so many images, or pixels (64 MiB as RGB with labels).
_MOST_IMAGES = 2 * READERS
_MOST_PIXELS = 2**24


class _Reads(NamedTuple):
    """A batch whose images are being read.

    Attributes:
      plan: of the whole batch.
      indices: positions of the images that this process reads.
      futures: one for each of them.
    """

    plan: BatchPlan
    indices: list[int]
    futures: list[Future[Item | BadFileError]]


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

    Images are read ahead in the order of the plans. Results come one batch
    late: the device works on a batch while the caller uses the one before.

    Args:
      plans: of `plan_batches`.
      read: position -> the image; see `return_errors`. It is called in several
        threads at once, also for images of batches that never run because the
        loop ends early.
      run: starts the program on a batch and returns what it computes.
      channels: C of the images.
      process: index of this process and their number; each reads its part of
        the slots.
      should_stop: () -> whether to end the loop. Asked before each batch, and
        with one process also while it waits for images; so with several it
        must return the same in all.

    Yields:
      each batch with what `run` returned for it.

    Raises:
      StoppedWaitingError: `should_stop` said so.
    """
    pending = None
    with contextlib.closing(_read_ahead(plans, read, process)) as reading:
        for reads in reading:
            items = _wait_for_items(reads, process, should_stop)
            batch = _make_batch(reads, items, channels, process)
            result = run(batch)
            if pending is not None:
                yield pending
            pending = batch, result
    if pending is not None:
        yield pending


def _read_ahead(
    plans: Iterable[BatchPlan],
    read: Callable[[int], Item | BadFileError],
    process: tuple[int, int],
) -> Generator[_Reads, None, None]:
    """Starts to read the images of batches before they are asked for."""
    ahead: deque[_Reads] = deque()
    with contextlib.ExitStack() as stack:
        pool = ThreadPoolExecutor(READERS)
        # A thread that hangs must not keep a signal waiting.
        stack.callback(pool.shutdown, wait=False, cancel_futures=True)
        for plan in plans:
            indices = _own_part(plan, process)
            futures = [pool.submit(read, index) for index in indices]
            ahead.append(_Reads(plan, indices, futures))
            while _are_enough(ahead):
                yield ahead.popleft()
        while ahead:
            yield ahead.popleft()


def _are_enough(ahead: deque[_Reads]) -> bool:
    """Whether no further batch may be read ahead of the first of these."""
    if len(ahead) < 2:
        return False
    images = sum(len(reads.indices) for reads in ahead)
    pixels = sum(len(r.indices) * math.prod(r.plan.shape) for r in ahead)
    return images >= _MOST_IMAGES or pixels >= _MOST_PIXELS


def _own_part(plan: BatchPlan, process: tuple[int, int]) -> list[int]:
    """The positions that this process reads."""
    index, processes = process
    slots = plan.slots // processes
    return plan.indices[slots * index : slots * (index + 1)]


def _wait_for_items(
    reads: _Reads, process: tuple[int, int], should_stop: Callable[[], bool]
) -> list[Item | BadFileError]:
    if should_stop():
        raise StoppedWaitingError
    # Several processes may only ask together, between batches.
    ask = should_stop if process[1] == 1 else lambda: False
    wait_for_data(reads.futures, ask, "an image to score")
    return [one.result() for one in reads.futures]


def _make_batch(
    reads: _Reads,
    items: list[Item | BadFileError],
    channels: int,
    process: tuple[int, int],
) -> Batch:
    plan, slots = reads.plan, reads.plan.slots // process[1]
    images = [None if isinstance(i, BadFileError) else i.image for i in items]
    batch, sizes = pad_images(images, plan.shape, slots, channels)
    labels = np.full((slots, *plan.shape), IGNORE, np.uint8)
    for slot, item in enumerate(items):
        if not isinstance(item, BadFileError) and item.labels is not None:
            height, width = item.labels.shape
            labels[slot, :height, :width] = item.labels
    return Batch(plan, reads.indices, items, batch, labels, sizes)
