"""A workdir is locked for one run; readers need no lock."""

import errno
import fcntl
import logging
import os
import signal
import socket
import stat

import pytest

from ipixmatch_jax.checkpoints import workdir_lock
from ipixmatch_jax.checkpoints.workdir_lock import InUseError, lock_workdir
from ipixmatch_jax.experiment import restore
from tests.survive.survive_run import run, started, wait_for

pytestmark = pytest.mark.slow


def test_a_second_run_is_refused_while_the_first_lives(copied):
    longer = {"train.steps": 8}
    with started(copied, hold_at="7", alone=True, **longer) as first:
        wait_for(first, copied.parent / "reached_7")
        before = (copied / "config.json").read_text()
        code, said = run(copied)
        assert code == 1
        last = said.splitlines()[-1]
        assert f": {copied} is in use by process " in last
        assert f"process {first.pid} on {socket.gethostname()}" in last
        assert (copied / "config.json").read_text() == before
        # Meanwhile it can be read.
        assert restore.restore_networks(copied, "last").step == 6
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
        assert f"{tmp_path} is on a file system without locks" in line


def test_the_lock_survives_its_file(tmp_path):
    with lock_workdir(tmp_path):
        (tmp_path / workdir_lock.FILE).unlink()
        with pytest.raises(InUseError, match="in use by another process"):
            lock_workdir(tmp_path).__enter__()
        # The refused run has made the file anew, and does not hold it.
        with pytest.raises(InUseError):
            lock_workdir(tmp_path).__enter__()
    with lock_workdir(tmp_path):
        pass


def test_where_folders_have_no_locks_the_file_is_locked(
    tmp_path, monkeypatch, caplog
):
    usual = fcntl.flock

    def refuse_folders(descriptor, operation):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EBADF, "Bad file descriptor")
        return usual(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", refuse_folders)
    with lock_workdir(tmp_path), pytest.raises(InUseError, match="in use by"):
        lock_workdir(tmp_path).__enter__()
    assert not caplog.messages


def test_another_error_of_the_lock_names_the_workdir(tmp_path, monkeypatch):
    def fail(descriptor, operation):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", fail)
    with pytest.raises(OSError, match="cannot be locked: Input") as error:
        lock_workdir(tmp_path).__enter__()
    assert error.value.filename == str(tmp_path)


def test_the_first_process_decides_for_all(tmp_path, monkeypatch):
    monkeypatch.setattr(workdir_lock.jax, "process_index", lambda: 1)
    monkeypatch.setattr(workdir_lock.processes, "ask_first", lambda yes: True)
    with pytest.raises(InUseError, match="process 0 says by whom"):
        lock_workdir(tmp_path).__enter__()
