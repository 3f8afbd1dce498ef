"""Two processes are one run: killed, resumed, stopped, scored.

Two processes with two devices each train until one of them is killed. They
start again and train until one of them gets Ctrl-C. One process with four
devices continues to the end. The result is compared with a run of one process
with four devices.
"""

import json
import pathlib
import shutil
from typing import NamedTuple

import numpy as np
import pytest

from ipixmatch_jax.data.datasets import shapes
from tests.survive.process_run import (
    STEPS,
    UNHEALTHY,
    losses,
    train_alone,
    train_pair,
)

pytestmark = pytest.mark.slow


class Pair(NamedTuple):
    """Each of `killed` and `stopped` is [(exit code, what it said)]."""

    workdir: pathlib.Path
    killed: list
    after_kill: int  # step of the last save
    stopped: list
    confusion: pathlib.Path


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """(workdir, file of confusion matrices) of the uninterrupted run."""
    workdir = tmp_path_factory.mktemp("alone") / "run"
    confusion = workdir.with_name("confusion")
    train_alone(workdir, CONFUSION=str(confusion))
    return workdir, confusion


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("pair") / "run"
    confusion = workdir.with_name("confusion")
    # After the evaluation at step 4, which first waits for the save at step 2.
    killed = train_pair(workdir, "SIGKILL:5", CONFUSION=str(confusion))
    after_kill = saved(workdir)
    stopped = train_pair(workdir, "SIGINT:6", SLOW_FROM="6")
    return Pair(workdir, killed, after_kill, stopped, confusion)


def saved(workdir: pathlib.Path) -> int:
    names = [path.name for path in (workdir / "checkpoints").iterdir()]
    return max((int(name) for name in names if name.isdigit()), default=0)


def assert_losses(workdir, alone, steps):
    ours, theirs = losses(workdir), losses(alone)
    assert list(ours) == list(range(1, steps + 1))
    for step, loss in ours.items():
        np.testing.assert_allclose(loss, theirs[step], rtol=1e-5)


def test_when_one_is_killed_the_other_reports_it(pair):
    (code, said), (killed, _) = pair.killed
    assert killed == -9
    assert code not in (0, 130, 143), said
    # One device may wait in gloo for the other, which has failed. Then the
    # heartbeat ends the process inside the loop, after an error message.
    ours = "process 0 of 2 cannot reach process 1: it was killed"
    waited = UNHEALTHY in said and " in _train_steps\n" in said
    assert ours in said or waited, said
    assert pair.after_kill in (2, 4)


def test_both_continue_and_ctrl_c_to_one_stops_both(pair, alone):
    assert [code for code, _ in pair.stopped] == [130, 130], pair.stopped
    step = saved(pair.workdir)
    assert 6 <= step < STEPS
    for _, said in pair.stopped:
        assert f"Continuing after step {pair.after_kill}" in said
        assert f"Saved {pair.workdir / 'checkpoints' / str(step)}" in said
    assert_losses(pair.workdir, alone[0], step)


def test_one_process_continues_a_run_of_two(pair, alone, tmp_path):
    workdir = shutil.copytree(pair.workdir, tmp_path / "run")
    said = train_alone(workdir)
    assert f"Continuing after step {saved(pair.workdir)}" in said
    assert_losses(workdir, alone[0], STEPS)


def test_two_processes_score_every_image_once(pair, alone):
    scenes = shapes.Scenes(shapes.SEEDS["val"], 0, 7, labelled=True)
    masks = [np.asarray(scenes[i].mask) for i in range(len(scenes))]
    pixels = np.bincount(np.ravel(masks), minlength=256)[:6]
    ours, theirs = (
        json.loads(path.read_text().splitlines()[0])
        for path in (pair.confusion, alone[1])
    )
    assert set(ours) == {"student", "teacher"}
    for name, matrix in ours.items():
        matrix, other = np.asarray(matrix), np.asarray(theirs[name])
        np.testing.assert_array_equal(matrix.sum(1), pixels)
        # The weights agree up to rounding, so a pixel may change its class.
        assert np.abs(matrix - other).sum() <= 1e-4 * pixels.sum()
