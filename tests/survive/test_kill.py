"""A run that is ended from outside loses only its unsaved steps."""

import signal

import pytest

from tests.survive.survive_run import (
    assert_same,
    checkpoints,
    run,
    started,
    wait_for,
)

pytestmark = pytest.mark.slow


def signalled(workdir, number, step):
    """Sends a signal to a run inside a step; returns (exit code, output)."""
    with started(workdir, hold_at=str(step)) as process:
        wait_for(process, workdir.parent / f"reached_{step}")
        process.send_signal(number)
        (workdir.parent / f"go_{step}").touch()
        out, err = process.communicate(timeout=240)
    return process.returncode, out + err


def test_a_run_stopped_by_sigterm_and_sigint_equals_an_uninterrupted_one(
    whole, tmp_path
):
    workdir = tmp_path / "run"
    code, said = signalled(workdir, signal.SIGTERM, 1)
    assert code == 143
    assert "Stopped on a signal; saved 1 steps." in said
    code, said = signalled(workdir, signal.SIGINT, 5)
    assert code == 130
    assert "Continuing after step 1" in said
    assert "5" in checkpoints(workdir)
    code, said = run(workdir)
    assert code == 0
    assert "Continuing after step 5" in said
    assert_same(workdir, whole)


def test_sigkill_inside_a_save_leaves_the_checkpoint_before(whole, tmp_path):
    workdir = tmp_path / "run"
    for method in ("create", "finalize"):
        code, said = run(workdir, kill_in=f"{method}:4")
        assert code == -signal.SIGKILL, said
        # After the next run the partial checkpoint is gone or written anew.
        assert checkpoints(workdir) == ["2", "3", "4.orbax-checkpoint-tmp"]
    assert "Continuing after step 3" in said
    partial = workdir / "checkpoints/4.orbax-checkpoint-tmp"
    assert (partial / "student").is_dir()
    partial.rename(partial.with_name("5.orbax-checkpoint-tmp"))
    code, said = run(workdir)
    assert code == 0
    assert "Continuing after step 3" in said
    assert not [n for n in checkpoints(workdir) if "tmp" in n]
    assert_same(workdir, whole)
