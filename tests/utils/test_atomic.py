"""Files are replaced whole or not at all."""

import json
import os
import tempfile

import pytest

from ipixmatch_jax.utils import atomic


def test_a_failed_body_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with (
        pytest.raises(ZeroDivisionError),
        atomic.replace_file(path) as partial,
    ):
        partial.write_text("new")
        raise ZeroDivisionError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_of_one_file_have_files_of_their_own(tmp_path):
    path = tmp_path / "a.txt"
    with atomic.replace_file(path) as one, atomic.replace_file(path) as other:
        one.write_text("one")
        other.write_text("other")
        assert one != other
    assert path.read_text() == "one"
    assert list(tmp_path.iterdir()) == [path]


def test_a_name_may_be_as_long_as_names_can_be(tmp_path):
    path = tmp_path / ("n" * os.pathconf(tmp_path, "PC_NAME_MAX"))
    atomic.write_file(path, b"whole")
    assert path.read_bytes() == b"whole"


def test_a_folder_is_made_whole_or_not_at_all(tmp_path):
    path = tmp_path / "deep/made"
    with pytest.raises(ZeroDivisionError), atomic.make_folder(path) as folder:
        (folder / "a.txt").write_text("new")
        raise ZeroDivisionError
    assert list((tmp_path / "deep").iterdir()) == []
    for _ in "where there is none", "in the place of an empty one":
        with atomic.make_folder(path) as folder:
            (folder / "a.txt").write_text("new")
        assert list((tmp_path / "deep").iterdir()) == [path]
        (path / "a.txt").unlink()


def test_a_folder_that_is_filled_meanwhile_stays(tmp_path):
    path = tmp_path / "made"
    with pytest.raises(OSError, match="not empty"), atomic.make_folder(path):
        path.mkdir()
        (path / "other.txt").write_text("other")
    assert list(tmp_path.iterdir()) == [path]
    assert (path / "other.txt").read_text() == "other"


def test_write_json_and_write_file(tmp_path):
    path = tmp_path / "a.json"
    atomic.write_json(path, {"a": [1, 2.5]})
    assert json.loads(path.read_text()) == {"a": [1, 2.5]}
    atomic.write_file(tmp_path / "new/folder/b", b"\x00\xff")
    assert (tmp_path / "new/folder/b").read_bytes() == b"\x00\xff"


@pytest.mark.parametrize("name", ["afile", "afile/run"])
def test_a_file_in_the_place_of_a_folder_is_refused(tmp_path, name):
    (tmp_path / "afile").touch()
    with pytest.raises(
        NotADirectoryError,
        match=r"afile is a file, not a folder; name another .* --workdir\.",
    ):
        atomic.require_folder(tmp_path / name, "--workdir")
    atomic.require_writable(tmp_path / "afile", "--out")  # it is replaced


def test_a_place_that_takes_no_files_is_refused(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise FileNotFoundError(2, "No such file or directory")

    atomic.require_folder(tmp_path / "runs/x", "--workdir")
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    with pytest.raises(PermissionError, match=r"x cannot be made: .*--workdir"):
        atomic.require_folder(tmp_path / "runs/x", "--workdir")
    atomic.require_folder(tmp_path, "--workdir")
