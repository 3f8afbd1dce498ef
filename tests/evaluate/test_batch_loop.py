"""The loop over padded batches: read ahead, late results, bad files."""

import threading

import numpy as np
import pytest

from ipixmatch_jax.data.source import BadFileError
from ipixmatch_jax.evaluate import batch_loop
from ipixmatch_jax.evaluate.batch_loop import run_batches
from ipixmatch_jax.evaluate.image_batches import (
    Item,
    plan_batches,
    return_errors,
)
from ipixmatch_jax.utils.waiting import StoppedWaitingError

SIZES = {3: (4, 6), 5: (4, 6), 8: (3, 6), 9: (9, 2), 11: (4, 6)}


def read(index):
    """An image of one value, and labels; the file of 5 is bad."""
    if index == 5:
        raise BadFileError("5.png is empty.")
    labels = np.full(SIZES[index], 1, np.uint8)
    return Item(np.full((*SIZES[index], 3), index, np.uint8), labels)


def run_all(process=(0, 1), slots=2):
    plans = plan_batches(SIZES, lambda shape, images: slots)
    return run_batches(
        plans,
        return_errors(read),
        lambda batch: batch.images[..., 0].max((1, 2)),
        channels=3,
        process=process,
    )


def test_every_image_is_in_one_batch_of_its_shape():
    found = {}
    for batch, maxima in run_all():
        assert batch.images.shape == (2, *batch.plan.shape, 3)
        for slot, (index, item) in enumerate(
            zip(batch.indices, batch.items, strict=True)
        ):
            found[index] = item
            if index == 5:
                assert str(item) == "5.png is empty."
                assert batch.sizes[slot].tolist() == [0, 0]
                assert np.all(batch.labels[slot] == 255)
                continue
            h, w = SIZES[index]
            assert maxima[slot] == index
            assert batch.sizes[slot].tolist() == [h, w]
            assert np.all(batch.images[slot, :h, :w] == index)
            assert batch.images[slot].sum() == 3 * h * w * index
            assert np.all(batch.labels[slot, :h, :w] == 1)
            assert (batch.labels[slot] == 1).sum() == h * w
    assert sorted(found) == sorted(SIZES)


def test_a_read_that_hangs_ends_on_a_signal():
    release = threading.Event()

    def hang(index):
        if index != 3:
            release.wait(60)
        return read(3)

    answers = iter([False, True])
    batches = run_batches(
        plan_batches({3: (4, 6), 5: (4, 6)}, lambda *_: 2),
        hang,
        lambda batch: batch,
        channels=3,
        should_stop=lambda: next(answers),
    )
    with pytest.raises(StoppedWaitingError):
        list(batches)
    release.set()  # the thread was not waited for


def test_results_come_one_batch_late():
    started = []
    plans = plan_batches(SIZES, lambda *_: 1)
    batches = run_batches(
        plans, return_errors(read), lambda b: started.append(b), channels=3
    )
    first, _ = next(batches)
    assert len(started) == 2
    assert started[0] is first


@pytest.mark.parametrize("processes", [1, 2])
def test_processes_share_the_slots(processes):
    parts = [list(run_all((i, processes))) for i in range(processes)]
    read = [i for part in parts for batch, _ in part for i in batch.indices]
    assert sorted(read) == sorted(SIZES)
    for batches in zip(*parts, strict=True):
        # All processes run the same programs, some on empty slots.
        assert len({batch.images.shape for batch, _ in batches}) == 1


class Reader:
    """Reads one-coloured images, and counts them."""

    def __init__(self):
        self.begun = 0
        self.done = [threading.Event() for _ in range(200)]
        self._lock = threading.Lock()

    def __call__(self, index):
        with self._lock:
            self.begun += 1
        self.done[index].set()
        return Item(np.full((2, 3, 3), index, np.uint8))


def plan_equal_images(count, slots):
    return plan_batches(dict.fromkeys(range(count), (2, 3)), lambda *_: slots)


@pytest.mark.parametrize("slots", [1, 4, 90])
def test_the_next_images_are_read_while_a_batch_runs(slots):
    read, seen = Reader(), []

    def run(batch):
        following = batch.indices[-1] + 1
        if following < 180:
            assert read.done[following].wait(60)
        seen.extend(batch.images[:, 0, 0, 0].tolist())

    list(run_batches(plan_equal_images(180, slots), read, run, channels=3))
    assert seen == list(range(180))


@pytest.mark.parametrize(
    ("limit", "value"), [("_MOST_IMAGES", 6), ("_MOST_PIXELS", 36)]
)
def test_few_images_are_read_ahead(monkeypatch, limit, value):
    monkeypatch.setattr(batch_loop, limit, value)
    read, ran = Reader(), 0

    def run(batch):
        nonlocal ran
        # Of three batches of two, this one is the first.
        assert read.begun <= 2 * ran + 6
        ran += 1

    list(run_batches(plan_equal_images(40, 2), read, run, channels=3))
    assert (read.begun, ran) == (40, 20)


def test_an_error_surfaces_at_its_batch_and_ends_the_reading(monkeypatch):
    monkeypatch.setattr(batch_loop, "_MOST_IMAGES", 4)
    good = Reader()

    def fail_at_nine(index):
        if index == 9:
            raise BadFileError("9.png is empty.")
        return good(index)

    ran = []
    batches = run_batches(
        plan_equal_images(40, 2), fail_at_nine, ran.append, channels=3
    )
    with pytest.raises(BadFileError, match=r"9\.png is empty"):
        list(batches)
    assert [batch.indices for batch in ran] == [[0, 1], [2, 3], [4, 5], [6, 7]]
    assert not any(event.is_set() for event in good.done[12:])


def test_a_caller_that_leaves_ends_the_reading():
    release, begun = threading.Event(), []

    def read_slowly(index):
        begun.append(index)
        if index >= 2:
            release.wait(60)
        return read(3)

    sizes = dict.fromkeys(range(batch_loop.READERS + 40), (4, 6))
    plans = plan_batches(sizes, lambda *_: 1)
    batches = run_batches(plans, read_slowly, lambda b: None, channels=3)
    next(batches)
    batches.close()
    release.set()
    # What had not begun when the caller left never begins.
    assert len(begun) <= 2 + batch_loop.READERS


def test_it_ends_between_batches_when_told():
    answers = iter([False, False, True])
    ran = []
    batches = run_batches(
        plan_equal_images(12, 2),
        Reader(),
        ran.append,
        channels=3,
        process=(0, 2),
        should_stop=lambda: next(answers),
    )
    with pytest.raises(StoppedWaitingError):
        list(batches)
    assert len(ran) == 2
