"""A workdir is locked for one run; readers need no lock."""

import errno
import fcntl
import logging
import signal
import socket

import pytest

from ipixmatch_jax.checkpoints import workdir_lock
from ipixmatch_jax.checkpoints.workdir_lock import InUseError, lock_workdir
from ipixmatch_jax.experiment import restore
from tests.survive.survive_run import run, started, wait_for


def test_a_second_run_is_refused_while_the_first_lives(copied):
    with started(copied, hold_at="7", **{"train.steps": 8}) as first:
        wait_for(first, copied.parent / "reached_7")
        before = (copied / "config.json").read_text()
        code, said = run(copied)
        assert code == 1
        last = said.splitlines()[-1]
        assert f": {copied} is in use by process " in last
        assert f"process {first.pid} on {socket.gethostname()}" in last
        assert (copied / "config.json").read_text() == before
        # Meanwhile it can be read.
        assert restore.restore(copied, "last").step == 6
        first.send_signal(signal.SIGKILL)
        assert first.wait(30) == -signal.SIGKILL
    with lock_workdir(copied):
        pass


def test_a_second_run_in_the_same_process_is_refused_too(tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for _ in range(2):
        with (
            lock_workdir(tmp_path),
            lock_workdir(other),
            pytest.raises(InUseError, match="is in use by process"),
        ):
            lock_workdir(tmp_path).__enter__()


def test_a_file_system_without_locks_gives_a_warning(
    tmp_path, monkeypatch, caplog
):
    def refuse(file, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with (
        caplog.at_level(logging.WARNING, "ipixmatch_jax"),
        lock_workdir(tmp_path),
    ):
        (line,) = caplog.messages
        assert "without locks (No locks available)" in line


def test_the_first_process_decides_for_all(tmp_path, monkeypatch):
    monkeypatch.setattr(workdir_lock.jax, "process_index", lambda: 1)
    monkeypatch.setattr(workdir_lock.processes, "first_says", lambda yes: True)
    with pytest.raises(InUseError, match="process 0 says by whom"):
        lock_workdir(tmp_path).__enter__()
