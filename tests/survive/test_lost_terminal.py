"""A run outlives its terminal: it goes on, or saves and ends."""

import os
import signal
import subprocess

import pytest

from tests.survive import survive_run
from tests.survive.survive_run import checkpoints, started, wait_for

pytestmark = pytest.mark.slow


def test_a_run_goes_on_when_nobody_reads_its_stderr(copied):
    with started(copied, **{"train.steps": 7}) as process:
        process.stderr.close()
        assert process.stdout.read().startswith("|")
        assert process.wait(240) == 0
    assert "7" in checkpoints(copied)


def test_a_run_starts_with_its_stderr_closed(copied):
    command = survive_run.command(copied, alone=True, **{"train.steps": 7})
    done = subprocess.run(
        ["bash", "-c", 'exec "$@" 2>&-', "bash", *command],
        cwd=survive_run.HERE.parents[1],
        env=os.environ | survive_run._ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "7" in checkpoints(copied)


def test_a_closed_terminal_saves_and_ends_the_run(copied):
    with started(copied, hold_at="7", **{"train.steps": 9}) as process:
        wait_for(process, copied.parent / "reached_7")
        process.send_signal(signal.SIGHUP)
        process.stderr.close()
        (copied.parent / "go_7").touch()
        assert "Stopped on a signal; saved 7 steps" in process.stdout.read()
        assert process.wait(240) == 129
    assert "7" in checkpoints(copied)
