"""Several processes on one sweep: claims, waiting, and a process killed."""

import contextlib
import os
import pathlib
import subprocess
import sys
import threading

import pytest

from ipixmatch_jax.checkpoints.workdir_lock import lock_workdir
from ipixmatch_jax.sweep import grid, runner
from ipixmatch_jax.training import loop
from tests import fork_server, xla_flags
from tests.sweep import sweep_main
from tests.sweep.finished import write_results
from tests.tiny_run import tiny

pytestmark = pytest.mark.slow

HERE = pathlib.Path(__file__).resolve().parent
_LIMIT = 600  # seconds, so that a sweep that hangs ends the test


@contextlib.contextmanager
def started(python, *words):
    flags = xla_flags.with_devices(1)
    environment = {"PYTHONPATH": str(HERE.parents[1]), "XLA_FLAGS": flags}
    with subprocess.Popen(
        [*python, str(HERE / "sweep_main.py"), *map(str, words)],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        limit = threading.Timer(_LIMIT, process.kill)
        limit.start()
        try:
            yield process
        finally:
            limit.cancel()
            process.kill()


def test_a_second_process_takes_over_from_one_that_is_killed(tmp_path):
    with started((sys.executable,), tmp_path, "pause") as killed:
        _, status = os.waitpid(killed.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        with started(fork_server.python(), tmp_path) as other:
            said = []
            for line in other.stdout:
                said.append(line.strip())
                if line.startswith("Waiting for other processes"):
                    break
            # It left the first cell to the process that holds its lock.
            assert [x for x in said if x.startswith("Cell")] == [
                "Cell 2 of 2: config/seed_1"
            ], said
            assert not (tmp_path / "config/seed_0/results.json").exists()
            assert (
                "config/seed_0 has not finished"
                in (tmp_path / "sweep.md").read_text()
            )
            killed.kill()
            rest, _ = other.communicate()
    assert other.returncode == 0, rest
    assert "Cell 1 of 2: config/seed_0" in rest
    text = (tmp_path / "sweep.md").read_text()
    assert "has not finished" not in text
    assert f"| {len(sweep_main.SEEDS)} " in text


def test_a_cell_that_another_process_trains_is_left_and_waited_for(
    tmp_path, monkeypatch
):
    trained, pauses = [], []

    def train(config, workdir, **_):
        trained.append(config.seed)
        write_results(workdir, 1.0)
        return 0

    made = grid.make_grid(tiny(), ["seed=0,1,2"], None, tmp_path)
    others = made.cells[0].workdir
    others.mkdir(parents=True)
    with contextlib.ExitStack() as lock:
        lock.enter_context(lock_workdir(others))

        def wait(seconds):
            pauses.append(list(trained))
            if len(pauses) == 2:
                write_results(others, 1.0)
                lock.close()

        monkeypatch.setattr(loop, "train", train)
        monkeypatch.setattr(runner.time, "sleep", wait)
        assert runner.run_sweep(made, tmp_path) == 0
    assert trained == [1, 2]
    assert pauses == [[1, 2], [1, 2]]
    assert "| 3     |" in (tmp_path / "sweep.md").read_text()


def test_a_cell_that_ended_before_its_lock_is_not_trained_again(
    tmp_path, monkeypatch
):
    made = grid.make_grid(tiny(), ["seed=0,1"], None, tmp_path)
    for cell in made.cells:
        cell.workdir.mkdir(parents=True)
    # The plan was made before the other process finished the first cell.
    write_results(made.cells[0].workdir, 1.0)
    with runner._claim(made.cells, [0, 1]) as number:
        assert number == 1
    write_results(made.cells[1].workdir, 1.0)
    with runner._claim(made.cells, [0, 1]) as number:
        assert number is None
