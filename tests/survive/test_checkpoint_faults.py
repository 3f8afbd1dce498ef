"""A checkpoint that has changed on disk is reported and not used."""

import hashlib
import json
import logging
import re
import shutil

import jax.numpy as jnp
import numpy as np
import pytest

from ipixmatch_jax.checkpoints import manager
from ipixmatch_jax.checkpoints.manager import (
    BrokenCheckpointError,
    Checkpoints,
    Saved,
)
from ipixmatch_jax.experiment import restore
from tests.survive.survive_run import assert_same, checkpoints, run

pytestmark = pytest.mark.slow

LIKE = {"student": {"w": jnp.zeros(5000, jnp.float32)}}


def tree(step):
    rng = np.random.default_rng(step)
    return {"w": jnp.asarray(rng.standard_normal(5000), jnp.float32)}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Three checkpoints; the first has the best evaluation."""
    workdir = tmp_path_factory.mktemp("saved")
    with Checkpoints(workdir) as checkpoints:
        for step, score in {2: 50.0, 4: None, 6: 40.0}.items():
            best = Saved(50.0, 2, "student")
            checkpoints.save(step, {"student": tree(step)}, best, {}, score)
    return workdir


@pytest.fixture
def workdir(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "run")


def largest(folder):
    """The file with the arrays."""
    files = [p for p in folder.glob("student/**/*") if p.is_file()]
    return max(files, key=lambda path: path.stat().st_size)


def truncate(folder):
    path = largest(folder)
    path.write_bytes(path.read_bytes()[:-7])
    return path


def flip_a_bit(folder):
    path = largest(folder)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    return path


def empty(folder):
    path = largest(folder)
    path.write_bytes(b"")
    return path


def empty_all(folder):
    for path in folder.rglob("*"):
        if path.is_file():
            path.write_bytes(b"")
    return folder / "checksums.json"


def remove(folder):
    path = largest(folder)
    path.unlink()
    return path


def remove_all(folder):
    shutil.rmtree(folder)
    folder.mkdir()
    return folder / "meta/metadata"


def begin_to_delete(folder):
    """Deletes a part of a checkpoint, as a run that is killed meanwhile."""
    path = folder / "checksums.json"
    path.unlink()
    shutil.rmtree(folder / "student")
    return path


def break_the_meta(folder):
    path = folder / "meta/metadata"
    path.write_text(path.read_text().replace("50.0", "51.0"))
    return path


def break_the_score(folder):
    path = folder / "metrics/metrics"
    path.write_text("{")
    return path


def break_the_bookkeeping(folder):
    path = folder / "_CHECKPOINT_METADATA"
    path.write_bytes(b"\xff\xfe")
    return path


FAULTS = [
    truncate,
    flip_a_bit,
    empty,
    empty_all,
    remove,
    remove_all,
    begin_to_delete,
    break_the_meta,
    break_the_score,
    break_the_bookkeeping,
]


def test_the_checksums_are_sha256_of_all_files(saved):
    folder = saved / "checkpoints/4"
    known = json.loads((folder / "checksums.json").read_text())
    files = {p for p in folder.rglob("*") if p.is_file()}
    assert {folder / name for name in known} == files - {
        folder / "checksums.json"
    }
    assert folder / "_CHECKPOINT_METADATA" in files
    for name, noted in known.items():
        content = (folder / name).read_bytes()
        assert noted == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.__name__)
def test_a_broken_newest_checkpoint_is_reported_and_the_one_before_used(
    workdir, fault, caplog
):
    folder = workdir / "checkpoints/6"
    path = fault(folder)
    with caplog.at_level(logging.WARNING, "ipixmatch_jax"):
        opened = Checkpoints(workdir)
    (line,) = caplog.messages
    assert line.startswith(f"The checkpoint {folder} is broken: ")
    assert path.relative_to(folder).as_posix() in line
    assert "It is now 6.broken" in line
    assert "of step 4." in line
    with opened as saved:
        assert saved.steps() == [2, 4]
        restored = saved.restore(4, LIKE)["student"]["w"]
        np.testing.assert_array_equal(restored, tree(4)["w"])
        # The step can be saved again and break again.
        saved.save(6, {"student": tree(6)}, Saved(50.0, 2), {}, None)
    assert checkpoints(workdir) == ["2", "4", "6", "6.broken"]
    fault(folder)
    with Checkpoints(workdir) as saved:
        assert saved.steps() == [2, 4]
    assert "6.broken2" in checkpoints(workdir)


@pytest.mark.parametrize("step", [2, 4])
def test_an_older_broken_checkpoint_is_set_aside_too(workdir, step):
    flip_a_bit(workdir / f"checkpoints/{step}")
    with Checkpoints(workdir) as saved:
        assert saved.steps() == [s for s in (2, 4, 6) if s != step]
        # The best is now the best of the remaining ones.
        best = Saved() if step == 2 else Saved(50.0, 2)
        assert saved.best() == best
        assert saved.best_on_disk(Saved(50.0, 2)) == best


def test_without_a_whole_checkpoint_it_stops_and_changes_nothing(
    workdir, caplog
):
    for step in (2, 4, 6):
        truncate(workdir / f"checkpoints/{step}")
    for _ in range(2):
        caplog.clear()
        with pytest.raises(BrokenCheckpointError, match=r"move that folder"):
            Checkpoints(workdir)
        assert len(caplog.messages) == 3
    assert checkpoints(workdir) == ["2", "4", "6"]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.__name__)
def test_a_reader_reports_a_broken_checkpoint_and_changes_nothing(
    workdir, fault
):
    folder = workdir / "checkpoints/6"
    path = fault(folder).relative_to(folder).as_posix()
    sentence = rf"{re.escape(str(folder))} is broken \(.*{re.escape(path)}"
    with Checkpoints(workdir, read_only=True) as saved:
        with pytest.raises(BrokenCheckpointError, match=sentence) as error:
            saved.restore(saved.find("last")[0], LIKE)
        assert "of steps: 2, 4)" in str(error.value)
        assert "\n" not in str(error.value)
        # Another checkpoint, given by its step, can be read.
        saved.restore(4, LIKE)
    assert checkpoints(workdir) == ["2", "4", "6"]


def test_a_reader_gets_no_substitute_for_a_broken_best(workdir):
    flip_a_bit(workdir / "checkpoints/2")
    with Checkpoints(workdir, read_only=True) as saved:
        step, _ = saved.find("best")
        assert step == 2
        with pytest.raises(BrokenCheckpointError, match="checkpoints/2 is"):
            saved.restore(step, LIKE)
        saved.restore(saved.find("last")[0], LIKE)


def test_a_checkpoint_that_breaks_during_a_run_is_noticed(workdir):
    with Checkpoints(workdir) as saved:
        saved.save(8, {"student": tree(8)}, Saved(60.0, 8), {}, 60.0)
        saved.wait()
        flip_a_bit(workdir / "checkpoints/8")
        with pytest.raises(BrokenCheckpointError, match="checkpoints/8 is"):
            saved.restore(8, LIKE)


def test_a_checkpoint_without_checksums_is_tried_with_a_warning(
    workdir, caplog
):
    folder = workdir / "checkpoints/6"
    (folder / "checksums.json").unlink()
    meta = json.loads((folder / "meta/metadata").read_text())
    del meta["checksums"]
    (folder / "meta/metadata").write_text(json.dumps(meta))
    with Checkpoints(workdir) as saved:
        assert saved.steps() == [2, 4, 6]
        restored = saved.restore(6, LIKE)["student"]["w"]
        np.testing.assert_array_equal(restored, tree(6)["w"])
    (line,) = caplog.messages
    assert "checkpoints/6 without checksums" in line


def test_only_writers_remove_the_remains_of_a_killed_save(workdir):
    partial = workdir / "checkpoints/8.orbax-checkpoint-tmp/student"
    partial.mkdir(parents=True)
    with Checkpoints(workdir, read_only=True) as saved:
        assert saved.steps() == [2, 4, 6]
    assert partial.exists()
    with Checkpoints(workdir) as saved:
        assert saved.steps() == [2, 4, 6]
    assert checkpoints(workdir) == ["2", "4", "6"]


def test_errors_other_than_of_the_disk_are_raised(workdir, monkeypatch):
    with Checkpoints(workdir) as saved:

        def refuse(*args, **kwargs):
            raise ValueError("a bug")

        monkeypatch.setattr(saved._manager, "save", refuse)
        with pytest.raises(ValueError, match="a bug"):
            saved.save(8, {"student": tree(8)}, Saved(), {}, None)


def test_process_0_decides_for_all(workdir, monkeypatch):
    # The other processes check nothing themselves and follow process 0.
    flip_a_bit(workdir / "checkpoints/6")
    monkeypatch.setattr(manager.jax, "process_index", lambda: 1)
    monkeypatch.setattr(manager.processes, "ask_first", lambda yes: True)
    with pytest.raises(BrokenCheckpointError, match="None of the"):
        Checkpoints(workdir)
    assert checkpoints(workdir) == ["2", "4", "6"]
    with (
        Checkpoints(workdir, read_only=True) as saved,
        pytest.raises(BrokenCheckpointError, match="process 0 says where"),
    ):
        saved.restore(4, LIKE)


def test_a_run_continues_from_the_checkpoint_before_to_the_same_end(
    copied, whole
):
    assert checkpoints(copied)[-2:] == ["4", "6"]
    path = flip_a_bit(copied / "checkpoints/6")
    with pytest.raises(BrokenCheckpointError, match=path.name):
        restore.restore_networks(copied, "last")
    code, said = run(copied)
    assert code == 0
    assert f"{path.name} differs from its checksum. It is now 6" in said
    assert "Continuing after step 4" in said
    assert_same(copied, whole)


@pytest.mark.parametrize(
    ("name", "damage", "words"),
    [
        ("8", lambda p: p.write_text("a file"), "8 is broken: it is not a fol"),
        ("²", lambda p: p.mkdir(), "² is broken: its name is not the number"),
        ("06", lambda p: p.mkdir(), "06 is broken: its name is not the num"),
        ("8", lambda p: (p / "checksums.json").mkdir(parents=True), "not JSON"),
    ],
)
def test_what_is_not_a_checkpoint_is_set_aside(
    workdir, caplog, name, damage, words
):
    damage(workdir / "checkpoints" / name)
    with Checkpoints(workdir) as opened:
        assert opened.steps() == [2, 4, 6]
    assert words in caplog.text
    assert f"{name}.broken" in checkpoints(workdir)


def test_an_empty_list_of_checksums_is_not_a_whole_checkpoint(workdir, caplog):
    (workdir / "checkpoints/6/checksums.json").write_text("{}")
    with Checkpoints(workdir) as opened:
        assert opened.steps() == [2, 4]
    assert "checksums.json does not list the files" in caplog.text


def test_a_run_without_a_whole_checkpoint_ends_with_a_sentence(copied):
    for folder in (copied / "checkpoints").iterdir():
        empty(folder)
    before = checkpoints(copied)
    code, said = run(copied)
    assert code == 1
    assert ": None of the checkpoints of" in said.splitlines()[-1]
    assert checkpoints(copied) == before
