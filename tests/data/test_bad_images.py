"""Unusable images: which images replace them, and how they are counted."""

import logging

import jax
import numpy as np
import pytest
from PIL import Image

from ipixmatch_jax.data import pipeline, workers
from ipixmatch_jax.data.bad_images import Skipped
from ipixmatch_jax.data.source import BadFileError, Sample, Source


class Spoilt(Source):
    """A source of n images of one colour each, some of them bad."""

    def __init__(self, count, bad=(), labelled=False):
        self._count = count
        self._bad = bad
        self._labelled = labelled

    def __len__(self):
        return self._count

    def __getitem__(self, i):
        if i in self._bad:
            raise BadFileError(f"{self.name(i)} is spoilt.")
        image = Image.new("RGB", (12, 9), (i, 255 - i, 100))
        mask = Image.new("L", (12, 9), i % 3) if self._labelled else None
        return Sample(image, mask)

    def name(self, i):
        return f"{i}.png"

    def size(self, i):
        del i
        return 9, 12


def batches(labelled=(), unlabelled=(), **changes):
    arguments = {"batch_size": 4, "crop_size": 8, "seed": 3} | changes
    return pipeline.train_batches(
        Spoilt(6, labelled, labelled=True), Spoilt(9, unlabelled), **arguments
    )


def assert_same(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    jax.tree.map(np.testing.assert_array_equal, a, b)


def test_a_bad_unlabelled_image_is_replaced_and_no_other():
    whole, spoilt = batches(), batches(unlabelled=(2, 5))
    replaced = 0
    for step in range(18):
        before, after = whole[step], spoilt[step]
        assert_same(before["labelled"], after["labelled"])
        assert (after["bad"]["labelled"] == -1).all()
        old, new = before["unlabelled"], after["unlabelled"]
        bad = after["bad"]["unlabelled"]
        was_bad = np.isin(old["index"], (2, 5))
        np.testing.assert_array_equal(bad, np.where(was_bad, old["index"], -1))
        assert not np.isin(new["index"], (2, 5)).any()
        np.testing.assert_array_equal(
            old["index"][~was_bad], new["index"][~was_bad]
        )
        np.testing.assert_array_equal(
            old["image"][~was_bad], new["image"][~was_bad]
        )
        pairs = new["index"].reshape(-1, 2)
        assert (pairs[:, 0] != pairs[:, 1]).all()
        for i, index in enumerate(new["index"]):
            pixels = new["image"][i][new["valid"][i]]
            assert (pixels == (index, 255 - index, 100)).all()
        replaced += was_bad.sum()
    assert replaced == 18 * 4 * 2 / 9


@pytest.mark.parametrize("apply_views", ["device", "host"])
def test_processes_and_a_resumed_run_use_the_same_replacements(apply_views):
    def made(**changes):
        return batches(
            (1,), (2, 5), on_error="skip", apply_views=apply_views, **changes
        )

    whole = made()
    halves = [made(process_index=p, process_count=2) for p in (0, 1)]
    iterator = workers.Batches(made(), 3, 0)
    for step in range(3, 9):
        both = [half[step] for half in halves]
        joined = jax.tree.map(lambda *x: np.concatenate(x), *both)
        assert_same(joined, whole[step])
        assert_same(next(iterator), whole[step])
    iterator.close()


def test_a_bad_labelled_image_stops_or_is_skipped():
    stopped = workers.Batches(batches(labelled=(1,)), 0, 0)
    with pytest.raises(BadFileError, match=r"1.png is spoilt"):
        for _ in range(6):
            next(stopped)
    stopped.close()
    skipped = batches(labelled=(1,), on_error="skip")
    bad = [skipped[step]["bad"]["labelled"] for step in range(6)]
    assert (np.concatenate(bad) == 1).sum() == 4
    for step in range(6):
        labelled = skipped[step]["labelled"]
        assert not np.isin(labelled["index"], 1).any()
        np.testing.assert_array_equal(
            labelled["mask"].min((1, 2)), labelled["index"] % 3
        )
    with pytest.raises(ValueError, match="'go'; it is stop or skip"):
        batches(on_error="go")


def test_a_source_without_a_usable_image_stops_the_run():
    with pytest.raises(
        BadFileError, match=r"None of the images at 100 .*png is spoilt"
    ):
        batches(unlabelled=range(9))[0]


def test_one_usable_image_is_enough():
    stream = pipeline.train_batches(
        Spoilt(2, (1,), labelled=True),
        Spoilt(2, (0,)),
        batch_size=4,
        crop_size=8,
        seed=0,
        on_error="skip",
    )
    for step in range(5):
        assert (stream[step]["labelled"]["index"] == 0).all()
        assert (stream[step]["unlabelled"]["index"] == 1).all()


def test_skipped_images_are_counted_and_named_once(caplog):
    source = Spoilt(9, (2, 5))
    skipped = Skipped(labelled=Spoilt(3, labelled=True), unlabelled=source)
    none = np.full(2, -1)
    with caplog.at_level(logging.WARNING, "ipixmatch_jax"):
        skipped.count_batch({"labelled": none, "unlabelled": none})
        assert skipped.take_count() == 0
        for _ in range(3):
            skipped.count_batch(
                {"labelled": none, "unlabelled": np.array([5, -1])}
            )
        skipped.count_batch({"labelled": none, "unlabelled": np.array([2, 5])})
    assert skipped.take_count() == 5
    assert skipped.take_count() == 0
    assert [r.message.split(": ")[1] for r in caplog.records] == [
        "5.png is spoilt.",
        "2.png is spoilt.",
    ]
