"""A full disk loses only the saves that it refuses."""

import asyncio
import errno
import gc
import json
import logging
import os
import shutil
import subprocess
import time

import jax.numpy as jnp
import numpy as np
import pytest
from tensorboardX.proto import event_pb2

from ipixmatch_jax.checkpoints import refused_saves
from ipixmatch_jax.checkpoints.manager import Checkpoints, NotSavedError, Saved
from ipixmatch_jax.loggers.base import Logged
from ipixmatch_jax.loggers.registry import open_loggers
from ipixmatch_jax.training.writer import Writer
from ipixmatch_jax.utils import atomic
from ipixmatch_jax.utils.append_file import AppendFile
from tests import fork_server
from tests.survive.disk import small_disk
from tests.survive.survive_run import (
    assert_same,
    checkpoints,
    run,
    started,
    wait_for,
)

pytestmark = pytest.mark.slow


@pytest.fixture
def disk(tmp_path):
    with small_disk(tmp_path / "run") as folder:
        yield folder


def fill(disk, leave=0):
    """Fills a disk up to the given number of free bytes."""
    state = os.statvfs(disk)
    size = max(state.f_bavail * state.f_frsize - leave, 0)
    (disk / "fill").write_bytes(b"x" * size)


def free(disk):
    (disk / "fill").unlink()


def tree(step):
    rng = np.random.default_rng(step)
    return {"w": jnp.asarray(rng.standard_normal(500_000), jnp.float32)}


def save(saved, step, best=None, score=None):
    saved.save(step, {"student": tree(step)}, best or Saved(), {}, score)
    saved.wait()


@pytest.mark.parametrize("seen", [True, False], ids=["seen", "not seen"])
@pytest.mark.parametrize("leave", [0, 30_000, 700_000])
def test_each_refused_save_is_told_and_the_next_one_works(
    disk, monkeypatch, caplog, seen, leave
):
    if not seen:  # As with a quota that is smaller than the disk.
        huge = shutil.disk_usage("/")._replace(free=2**60)
        monkeypatch.setattr(
            refused_saves.shutil, "disk_usage", lambda path: huge
        )
    with (
        caplog.at_level(logging.WARNING, "ipixmatch_jax"),
        Checkpoints(disk) as saved,
    ):
        save(saved, 1, Saved(40.0, 1), 40.0)
        saved.finish()
        fill(disk, leave)
        better = Saved(50.0, 2)
        for step in (2, 3):
            save(saved, step, better, 50.0)
            lines = [m for m in caplog.messages if m.startswith("NOT SAVED")]
            assert len(lines) == step - 1
            assert f"after step {step} (No space left on device" in lines[-1]
            # orbax's threads may outlive the error and leave an empty folder.
            assert [n for n in checkpoints(disk) if "tmp" not in n] == ["1"]
        with pytest.raises(NotSavedError, match="checkpoints/1, from"):
            saved.finish()
        # The best that was refused is not the best any more.
        assert saved.best_on_disk(better) == Saved(40.0, 1)
        free(disk)
        save(saved, 4)
        saved.finish()
        assert checkpoints(disk) == ["1", "4"]
        like = {"student": {"w": jnp.zeros(500_000, jnp.float32)}}
        restored = saved.restore(4, like)["student"]["w"]
        np.testing.assert_array_equal(restored, tree(4)["w"])


def end_of_a_process(code, workdir):
    """(seconds, what it said) of a process that saves and ends."""
    start = time.monotonic()
    done = subprocess.run(
        [*fork_server.python(), "-c", f"{SAVING}{code}", str(workdir)],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
        env={**os.environ, "XLA_FLAGS": ""},
    )
    return time.monotonic() - start, done.stdout + done.stderr


SAVING = """
import logging, pathlib, shutil, sys
import jax.numpy as jnp
from ipixmatch_jax.checkpoints.manager import Checkpoints, Saved
logging.basicConfig(format="%(message)s")
workdir = pathlib.Path(sys.argv[1])

def save(step):
    tree = {"w": jnp.zeros(500_000)}
    saved.save(step, {"student": tree}, Saved(), {}, None)
    saved.wait()

with Checkpoints(workdir) as saved:
    save(1)
"""
IN_THE_WAY = """
    shutil.rmtree(workdir / "checkpoints")
    (workdir / "checkpoints").write_text("a file in the way")
    save(2)
    save(3)
"""
# Enough for the folder of a save, and not for what is in it.
FEW_INODES = """
    left = []
    try:
        while True:
            left.append(workdir / str(len(left)))
            left[-1].touch()
    except OSError:
        for path in left[:3]:
            path.unlink()
    save(2)
    save(3)
"""


def test_a_save_whose_folder_cannot_be_made_lets_the_process_end(tmp_path):
    seconds, said = end_of_a_process(IN_THE_WAY, tmp_path)
    assert seconds < 60  # orbax's threads would wait for 300
    assert said.count("NOT SAVED") == 2
    assert "(Not a directory)" in said
    assert "move the file away that is in the place of a folder" in said
    assert "Traceback" not in said


def test_a_disk_without_inodes_lets_the_process_end(tmp_path):
    folder = tmp_path / "run"
    with small_disk(folder, options="nr_inodes=200"):
        seconds, said = end_of_a_process(FEW_INODES, folder)
    assert seconds < 60
    assert said.count("NOT SAVED") == 2
    assert "Traceback" not in said


def test_a_folder_of_checkpoints_that_is_removed_is_made_again(
    tmp_path, caplog
):
    with Checkpoints(tmp_path) as saved:
        save(saved, 1, Saved(40.0, 1), 40.0)
        shutil.rmtree(tmp_path / "checkpoints")
        save(saved, 2)
        saved.finish()
        assert saved.steps() == [2]
    assert "was removed while the run goes on" in caplog.text


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "make room in"),
        (errno.EROFS, "writable"),
        (errno.EACCES, "let this user write into"),
        (errno.EDQUOT, "quota"),
        (errno.EMFILE, "ulimit"),
        (errno.EBADF, "see to"),
    ],
)
def test_the_help_fits_the_error(tmp_path, number, words):
    assert words in refused_saves.suggest_help(number, tmp_path)


def abandon_a_task(error):
    """Makes asyncio report a task whose error nobody has asked for."""

    async def fail():
        raise error

    async def start():
        asyncio.get_running_loop().create_task(fail())
        await asyncio.sleep(0)

    asyncio.run(start())


def test_only_the_errors_of_a_disk_are_hidden(caplog):
    with refused_saves.hide_side_effects():
        abandon_a_task(OSError(errno.ENOSPC, "No space left on device"))
        abandon_a_task(ValueError("[os_error_code='28']"))
        gc.collect()
    assert not caplog.messages
    with refused_saves.hide_side_effects():
        abandon_a_task(ValueError("a shape that does not fit"))
        gc.collect()
    assert "Task exception was never retrieved" in caplog.text
    caplog.clear()
    abandon_a_task(OSError(errno.ENOSPC, "No space left on device"))
    gc.collect()
    assert "Task exception was never retrieved" in caplog.text


def test_lines_are_kept_until_there_is_space(disk, caplog):
    path = disk / "lines"
    file = AppendFile(path)
    file.add(b"a" * 5000)
    fill(disk)
    file.add(b"b" * 5000)
    file.add(b"c" * 5000)
    assert path.read_bytes() == b"a" * 5000
    (line,) = caplog.messages
    assert line.startswith(f"NOT WRITTEN: {path} (No space left on device)")
    free(disk)
    file.add(b"d" * 10)
    content = b"a" * 5000 + b"b" * 5000 + b"c" * 5000 + b"d" * 10
    assert path.read_bytes() == content
    fill(disk)
    file.add(b"e" * 5000)
    assert len(caplog.messages) == 2
    # Another process continues the file where the first one ended.
    free(disk)
    AppendFile(path).add(b"f")
    assert path.read_bytes() == content + b"f"


def events(folder):
    """Events of the only file in a folder."""
    (path,) = folder.iterdir()
    content, found = path.read_bytes(), []
    while content:
        # Length in eight bytes, its checksum, the event, its checksum.
        size = int.from_bytes(content[:8], "little")
        found.append(event_pb2.Event.FromString(content[12 : 12 + size]))
        content = content[16 + size :]
    return found


def test_the_curves_of_a_run_are_kept_until_there_is_space(disk, caplog):
    writer = Writer(
        disk,
        start=0,
        steps=9,
        images_per_step=2,
        active=True,
        loggers=open_loggers(("tensorboard",), Logged(disk, {})),
    )
    values = {f"loss_{number}": number / 8 for number in range(20)}
    with writer:
        writer.write_scalars(0, values)
        fill(disk)
        # More than any queue and the last blocks of the disk can hold.
        for step in range(1, 50):
            writer.write_scalars(step, values)
        writer.write_picture(50, "val", np.zeros((4, 4, 3), np.uint8))
        told = [m for m in caplog.messages if m.startswith("NOT WRITTEN")]
        assert len(told) == 2
        free(disk)
        writer.write_scalars(51, values)
    rows = (disk / "metrics.jsonl").read_text().splitlines()
    steps = [*range(50), 51]
    assert [json.loads(row) for row in rows] == [
        {"step": step, **values} for step in steps
    ]
    first, *others = events(disk / "tensorboard")
    assert first.file_version == "brain.Event:2"
    found = [(e.step, e.summary.value[0]) for e in others]
    (picture,) = (value for step, value in found if step == 50)
    assert picture.image.encoded_image_string.startswith(b"\x89PNG")
    assert [
        (step, value.tag, value.simple_value)
        for step, value in found
        if step != 50
    ] == [(step, name, v) for step in steps for name, v in values.items()]


def test_a_refused_file_does_not_change_the_old_one(disk):
    path = disk / "file"
    path.write_bytes(b"old")
    fill(disk)
    with (
        pytest.raises(OSError, match="No space"),
        atomic.replace_file(path) as p,
    ):
        p.write_bytes(b"new" * 5000)
    assert path.read_bytes() == b"old"
    assert sorted(p.name for p in disk.iterdir()) == ["file", "fill"]


def lines(workdir):
    text = (workdir / "metrics.jsonl").read_text()
    rows = [json.loads(line) for line in text.splitlines()]
    return [row["step"] for row in rows if "loss" in row]


def wait_for_save(process, folder):
    """Waits for the checksums, which are written after the folder's rename."""
    wait_for(process, folder)
    while '"commit_success.txt"' not in (folder / "checksums.json").read_text():
        time.sleep(0.02)


def test_a_run_goes_on_without_its_saves(disk, whole):
    with started(disk, hold_at="3,6") as process:
        wait_for(process, disk.parent / "reached_3")
        wait_for_save(process, disk / "checkpoints/2")
        fill(disk)
        (disk.parent / "go_3").touch()
        wait_for(process, disk.parent / "reached_6")
        assert [n for n in checkpoints(disk) if "tmp" not in n] == ["2"]
        free(disk)
        (disk.parent / "go_6").touch()
        out, err = process.communicate(timeout=240)
    assert process.returncode == 0, out + err
    for step in (3, 4):
        assert err.count(f"the checkpoint after step {step} (No space") == 1
    assert lines(disk) == [1, 2, 3, 4, 5, 6]
    assert checkpoints(disk) == ["2", "6"]
    assert "Traceback" not in err
    assert_same(disk, whole)


def test_a_run_whose_last_save_is_refused_fails_and_continues(disk, whole):
    with started(disk, hold_at="3") as process:
        wait_for(process, disk.parent / "reached_3")
        wait_for_save(process, disk / "checkpoints/2")
        fill(disk)
        (disk.parent / "go_3").touch()
        out, err = process.communicate(timeout=240)
    assert process.returncode == 1, out + err
    last = err.splitlines()[-1]
    assert ": the state after step 6 could not" in last
    assert "checkpoints/2, from which the same command continues" in last
    assert "Traceback" not in err
    assert not (disk / "results.json").exists()
    free(disk)
    code, said = run(disk)
    assert code == 0, said
    assert "Continuing after step 2" in said
    # All lines are whole; a repeated step may have two.
    assert sorted(set(lines(disk))) == [1, 2, 3, 4, 5, 6]
    assert_same(disk, whole)
