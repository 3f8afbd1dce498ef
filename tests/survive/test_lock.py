"""One run a workdir; readers of it do not ask."""

import errno
import fcntl
import logging
import signal
import socket

import pytest

from ipixmatch_jax.checkpoints import workdir_lock
from ipixmatch_jax.checkpoints.workdir_lock import InUseError, held
from ipixmatch_jax.experiment import restore
from tests.survive.survive_run import run, started, wait_for


def test_a_second_run_is_refused_while_the_first_lives(copied):
    with started(copied, hold_at="7", **{"train.steps": 8}) as first:
        wait_for(first, copied.parent / "reached_7")
        before = (copied / "config.json").read_text()
        code, said = run(copied)
        assert code == 1
        last = said.splitlines()[-1]
        assert last.startswith(f"ipixmatch_jax: {copied} is in use by process ")
        assert f"process {first.pid} on {socket.gethostname()}" in last
        assert (copied / "config.json").read_text() == before
        # Meanwhile it can be read.
        assert restore.restore(copied, "last").step == 6
        first.send_signal(signal.SIGKILL)
        assert first.wait(30) == -signal.SIGKILL
    with held(copied):
        pass


def test_runs_after_one_another_share_a_process(tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for _ in range(2):
        with (
            held(tmp_path),
            held(other),
            pytest.raises(InUseError, match="is in use by process"),
        ):
            held(tmp_path).__enter__()


def test_a_file_system_without_locks_is_warned_of(
    tmp_path, monkeypatch, caplog
):
    def refuse(file, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with caplog.at_level(logging.WARNING, "ipixmatch_jax"), held(tmp_path):
        (line,) = caplog.messages
        assert "without locks (No locks available)" in line


def test_the_first_process_decides_for_all(tmp_path, monkeypatch):
    monkeypatch.setattr(workdir_lock.jax, "process_index", lambda: 1)
    monkeypatch.setattr(workdir_lock.processes, "first_says", lambda yes: True)
    with pytest.raises(InUseError, match="process 0 says by whom"):
        held(tmp_path).__enter__()
