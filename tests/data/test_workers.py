"""Data workers that are killed, and workers of a run that is killed."""

import multiprocessing
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from ipixmatch_jax.data import pipeline, workers
from ipixmatch_jax.data.datasets import shapes
from ipixmatch_jax.utils import waiting

pytestmark = pytest.mark.slow


def batches():
    return pipeline.train_batches(
        shapes.Scenes(1, 0, 4, labelled=True),
        shapes.Scenes(1, 4, 8, labelled=False),
        batch_size=2,
        crop_size=33,
        seed=0,
    )


def kill_one():
    worker, *_ = multiprocessing.active_children()
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()


def test_a_killed_worker_is_started_again_and_nothing_is_lost(monkeypatch):
    expected = batches()
    iterator = workers.Batches(batches(), 5, 1)

    def compare(step):
        got = next(iterator)
        for part in ("labelled", "unlabelled"):
            np.testing.assert_array_equal(
                got[part]["image"], expected[step][part]["image"]
            )

    compare(5)
    kill_one()
    for step in range(6, 12):
        compare(step)
    monkeypatch.setattr(workers, "RESTARTS", 0)
    kill_one()
    start = time.monotonic()
    with pytest.raises(
        workers.WorkersLostError,
        match=r"before step 1\d.*exit code -9.*lower --config.data.num_workers",
    ):
        for _ in range(9):
            next(iterator)
    iterator.close()
    assert time.monotonic() - start < 10
    assert not multiprocessing.active_children()


def test_other_errors_of_a_worker_are_not_restarted():
    class Broken:
        def __getitem__(self, index):
            return self

        def to_iter_dataset(self, _):
            return iter(self)

        def __iter__(self):
            raise RuntimeError("broken")
            yield

    with pytest.raises(RuntimeError, match=r"^broken$"):
        next(workers.Batches(Broken(), 0, 0))


# A run whose worker gets Ctrl-C, ignores it and prints its process id.
_RUN = """
import multiprocessing, os, signal, time
from absl import flags
flags.FLAGS(["run"])
from tests.data.test_workers import batches
from ipixmatch_jax.data import workers
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    workers.RESTARTS = 0
    iterator = workers.Batches(batches(), 0, 1)
    next(iterator)
    worker = multiprocessing.active_children()[0].pid
    # Blocked before the worker's first instruction, not only by it.
    blocked = open(f"/proc/{worker}/status").read().split("SigBlk:")[1]
    assert int(blocked.split()[0], 16) >> signal.SIGINT - 1 & 1
    os.kill(worker, signal.SIGINT)
    for _ in range(6):
        next(iterator)
    print(worker, flush=True)
    time.sleep(60)
"""


def test_workers_end_with_a_run_that_is_killed(tmp_path):
    (tmp_path / "run.py").write_text(_RUN)
    root = pathlib.Path(__file__).resolve().parents[2]
    run = subprocess.Popen(
        [sys.executable, str(tmp_path / "run.py")],
        env={**os.environ, "PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        text=True,
    )
    with run:
        worker = int(run.stdout.readline())
        assert alive(worker)
        run.kill()
    deadline = time.monotonic() + 10
    while alive(worker) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not alive(worker)


def alive(pid):
    """Whether a process is running; a zombie is not."""
    try:
        status = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def test_a_stopped_worker_is_reported_and_a_signal_still_ends_the_wait(
    monkeypatch, caplog
):
    asked = []
    iterator = workers.Batches(batches(), 0, 1, lambda: len(asked) > 0)
    next(iterator)
    monkeypatch.setattr(waiting, "PATIENCE", 1.0)
    (worker,) = multiprocessing.active_children()
    os.kill(worker.pid, signal.SIGSTOP)
    timer = threading.Timer(5, lambda: asked.append(True))
    timer.start()
    with pytest.raises(waiting.StoppedWaitingError):
        for _ in range(50):  # Some batches were read ahead.
            next(iterator)
    timer.join()
    start = time.monotonic()
    iterator.close()
    assert time.monotonic() - start < 20
    assert caplog.text.count("NO DATA: the batch of step") == 1
    assert not alive(worker.pid)
