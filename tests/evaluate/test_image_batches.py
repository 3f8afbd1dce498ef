"""The loop over padded batches: each image once, late results, bad files."""

import threading

import numpy as np
import pytest

from ipixmatch_jax.data.source import BadFileError
from ipixmatch_jax.evaluate.image_batches import (
    Item,
    plan_batches,
    return_errors,
    run_batches,
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


def test_a_plan_is_exact_if_nothing_has_to_be_masked():
    sizes = {0: (4, 6), 1: (4, 6), 2: (82, 20), 3: (80, 20)}
    plans = list(plan_batches(sizes, lambda shape, images: images))
    exact = {i: plan.exact for plan in plans for i in plan.indices}
    assert exact == {0: True, 1: True, 2: False, 3: False}
    assert [plan.slots for plan in plans] == [2, 2]
    assert list(plan_batches({}, lambda *_: 1)) == []


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
