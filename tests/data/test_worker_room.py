"""Workers for which a machine has no room are refused before they start."""

import errno
import multiprocessing
import os
import pathlib
import resource
import shutil
import time
from collections import namedtuple

import jax
import numpy as np
import pytest

from ipixmatch_jax.data import pipeline, worker_room, workers
from ipixmatch_jax.data.datasets import shapes
from ipixmatch_jax.training.batches import count_batch_bytes
from tests.tiny_run import tiny

MIB = 2**20
Usage = namedtuple("Usage", "total used free")


def shared(monkeypatch, free, total=64 * MIB):
    usage = Usage(total, total - free, free)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)


def test_a_small_shared_memory_is_refused_with_its_size_and_the_ways_out(
    monkeypatch,
):
    # Eight workers with six batches of 10 MiB in two arrays each, and one.
    sizes = [9 * MIB, MIB - 5]
    shared(monkeypatch, 490 * MIB)
    worker_room.check_room(sizes, 8)
    shared(monkeypatch, 490 * MIB - 1)
    with pytest.raises(ValueError, match=r"=8 needs 490\.0 MiB") as e:
        worker_room.check_room(sizes, 8)
    for words in ("/dev/shm", "64 MiB in all", "--shm-size=2g", "workers=0"):
        assert words in str(e.value)
    worker_room.check_room(sizes, 0)  # threads need none


def test_a_low_limit_of_open_files_is_raised_or_refused(monkeypatch):
    limits = {"now": (256, 4096)}
    monkeypatch.setattr(resource, "getrlimit", lambda which: limits["now"])
    monkeypatch.setattr(
        resource, "setrlimit", lambda which, pair: limits.update(now=pair)
    )
    shared(monkeypatch, 2**40)
    worker_room.check_room([100] * 20, 1)
    assert limits["now"] == (256, 4096)
    worker_room.check_room([100] * 20, 8)
    # Eight pipes and three batches of 20 arrays of two files for a worker.
    assert limits["now"] == (8 * (8 + 3 * 20 * 2) + 40 + 64, 4096)
    with pytest.raises(ValueError, match=r"may have \d+: .*ulimit -n, lower"):
        worker_room.check_room([100] * 20, 1000)


@pytest.mark.parametrize("views", ["device", "host"])
@pytest.mark.parametrize("method", ["unimatch", "supervised"])
def test_the_bytes_of_a_batch_are_those_that_are_read(method, views):
    changes = {"method": method, "teacher": "shared", "data.apply_views": views}
    if method == "supervised":
        changes["inter_pixel.weight"] = 0.0
    config = tiny(**changes, **{"train.batch_size": 4})
    scenes = shapes.Scenes(1, 0, 8, labelled=True)
    from ipixmatch_jax.training import batches

    data = type("Data", (), {"labelled": scenes, "unlabelled": scenes})
    read = batches.make_batches(config, data)[0]
    wanted = [np.asarray(leaf).nbytes for leaf in jax.tree.leaves(read)]
    assert count_batch_bytes(config) == wanted
    halves = batches.make_batches(config, data, process_count=2)[0]
    wanted = [np.asarray(leaf).nbytes for leaf in jax.tree.leaves(halves)]
    assert count_batch_bytes(config, 2) == wanted


def bytes_of(block):
    try:
        return block.stat().st_blocks * 512
    except FileNotFoundError:  # Another process has just removed its own.
        return 0


@pytest.mark.slow
def test_workers_take_as_much_as_the_check_says():
    """Counts the batches in /dev/shm, and the files that are open."""
    scenes = shapes.Scenes(1, 0, 8, labelled=True)
    batches = pipeline.train_batches(
        scenes, None, batch_size=4, crop_size=257, seed=0
    )
    leaves = jax.tree.leaves(batches[0])
    pages = [-(-np.asarray(leaf).nbytes // 4096) * 4096 for leaf in leaves]
    # Other processes may have blocks there, but none as large as an image's.
    large = [size for size in pages if size > 2**16]
    shm = pathlib.Path(worker_room.SHARED)
    before = set(shm.iterdir())
    files = len(os.listdir("/proc/self/fd"))
    iterator = workers.Batches(batches, 0, 2)
    first = next(iterator)
    until = time.monotonic() + 120

    def count():
        new = [p for p in set(shm.iterdir()) - before if "psm" in p.name]
        sizes = [bytes_of(path) for path in new]
        return sum(size for size in sizes if size in large) / sum(large)

    wanted = worker_room.count_batches(2)
    while count() < wanted and time.monotonic() < until:
        time.sleep(0.2)
    assert count() == wanted
    opened = len(os.listdir("/proc/self/fd")) - files
    assert 0 <= opened - worker_room.count_files(2, len(leaves)) < 10
    del first
    iterator.close()
    assert not multiprocessing.active_children()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space"), r"/dev/shm.*MiB.*--shm-size=2g"),
        (OSError(errno.EMFILE, "Too many"), r"open files.*ulimit -n"),
    ],
)
def test_a_shortage_during_a_run_is_named(error, words):
    class Short:
        def __getitem__(self, index):
            return self

        def to_iter_dataset(self, _):
            return self

        def mp_prefetch(self, *_, **__):
            return iter(self)

        def __iter__(self):
            raise error
            yield

    with pytest.raises(workers.WorkersLostError, match=words):
        next(workers.Batches(Short(), 0, 2))


def test_a_file_that_cannot_be_read_is_not_a_shortage():
    error = OSError(errno.ENOSPC, "No space", "a.jpg")
    assert worker_room.describe_shortage(error) is None
