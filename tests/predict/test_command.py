"""The command line of predict: what it refuses before any work."""

import importlib.util
import json
import os
import pathlib
import sys

import pytest

from ipixmatch_jax.configs import shapes as shapes_config
from ipixmatch_jax.configuration import saved
from ipixmatch_jax.predict import __main__ as predict_command
from ipixmatch_jax.predict import files, workdir


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--images=a"], "--images needs --out"),
        (["--export=a", "--out=b"], "--out goes with --images"),
        (["--export=a", "--flip"], "--flip goes with --images"),
        (["--images=a", "--out=b", "--export-size=64"], "goes with --export"),
        (
            ["--images=a", "--out=b", "--scales=1,9"],
            "1,9: give factors from 0.1 to 4",
        ),
        (["--images=a", "--out=b", "--scales=x"], "is not a list of numbers"),
        (["--images=a", "--out=b", "--window=5"], "5 is below 33 pixels"),
        (
            ["--images=a", "--out=b", "--window=x"],
            "'x' is not a whole number of pixels",
        ),
        (["--images=a", "--export=b"], "not allowed with"),
        (["--export=a", "--image-url=b"], "--image-url goes with --images"),
        (
            ["--images=a", "--out=b", "--polygons"],
            "--polygons goes with --format coco or labelme;",
        ),
        (
            ["--images=a", "--out=b", "--format=cvat", "--image-url=c"],
            "--image-url goes with --format labelstudio;",
        ),
        (
            ["--images=a", "--out=b", "--format=coco", "--polygons=-1"],
            "'-1' is not a distance of 0 to 10 pixels",
        ),
        (["--images=a", "--out=b", "--format=voc"], "invalid choice: 'voc'"),
        ([], "one of the arguments --images --export is required"),
    ],
)
def test_options_that_do_not_go_together_are_refused(words, message, capsys):
    with pytest.raises(SystemExit):
        predict_command._arguments(["--workdir=w", *words])
    assert message in capsys.readouterr().err


def test_a_folder_without_a_run_is_refused(tmp_path, capsys, monkeypatch):
    words = ["predict", f"--workdir={tmp_path}", "--images=a", "--out=b"]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit):
        predict_command.run()
    assert "is not the --workdir of a run" in capsys.readouterr().err


@pytest.mark.parametrize("text", ['{"network', "[1]", ""])
def test_a_torn_record_of_the_settings_is_named(tmp_path, text):
    path = tmp_path / files.SETTINGS
    path.write_text(text)
    with pytest.raises(ValueError, match=r"predictions\.json .*another --out"):
        files.check_settings(tmp_path, {"network": "student"})
    path.write_text(json.dumps({"network": "student", "step": 3}))
    files.check_settings(tmp_path, {"network": "student"})


def test_a_place_where_nothing_may_be_written_is_refused_first(
    tmp_path, monkeypatch
):
    run = tmp_path / "run"
    run.mkdir()
    saved.save_config(shapes_config.get_config(), run)
    theirs = str(tmp_path / "theirs")
    pathlib.Path(theirs).mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) != theirs)
    for out in (f"{theirs}/out", theirs):
        with pytest.raises(PermissionError, match=r"not write into .*--out\."):
            workdir.predict_workdir(run, tmp_path, pathlib.Path(out))
    with pytest.raises(PermissionError, match=r"not write into .*--export\."):
        workdir.export_workdir(run, pathlib.Path(theirs, "a.zip"))


@pytest.mark.parametrize(
    ("package", "options"), [("pycocotools", {}), ("shapely", {"tolerance": 1})]
)
def test_a_missing_package_is_named_before_the_run_is_read(
    tmp_path, monkeypatch, package, options
):
    saved.save_config(shapes_config.get_config(), tmp_path)
    (tmp_path / "a.png").touch()
    found = importlib.util.find_spec

    def find(name, *rest):
        return None if name == package else found("json")

    monkeypatch.setattr(importlib.util, "find_spec", find)
    with pytest.raises(ValueError, match=rf"{package}: install .*\[labels\]"):
        workdir.predict_workdir(
            tmp_path,
            tmp_path / "a.png",
            tmp_path / "out",
            label_format="coco",
            options=options,
        )
    assert not (tmp_path / "out").exists()


def test_outputs_of_other_images_with_the_same_names_are_warned_of(tmp_path):
    out = tmp_path / "out"

    def note(folder, kept):
        files.check_settings(out, {"step": 3})
        items = [files.Item(str(tmp_path / folder / "a/b.jpg"), "a/b")]
        return files.note_folders(out, items, kept)

    assert note("first", 0) == ""
    assert note("first", 1) == ""  # repeated to continue
    for _ in range(2):
        words = note("second", 1)
        assert f"images in {tmp_path}/first. Those in" in words
        assert f"{tmp_path}/second have not been predicted" in words
        assert "1 file skipped" in words
    assert note("second", 0) == ""  # no name in common
    assert note("second", 1) == ""


def test_a_folder_holds_several_formats_with_one_setting_each(tmp_path):
    check = files.check_settings
    check(tmp_path, {"step": 3})
    check(tmp_path, {"step": 3}, {"coco": {"tolerance": None}})
    check(tmp_path, {"step": 3}, {"labelme": {"tolerance": 0.5}})
    check(tmp_path, {"step": 3}, {"coco": {"tolerance": None}})
    with pytest.raises(ValueError, match=r"tolerance 0\.5 there, 1\.0 here"):
        check(tmp_path, {"step": 3}, {"labelme": {"tolerance": 1.0}})
    with pytest.raises(ValueError, match="step 3 there, 4 here"):
        check(tmp_path, {"step": 4}, {"labelme": {"tolerance": 0.5}})


@pytest.mark.parametrize("name", ["pipe", "pipe.jpg"])
def test_a_pipe_in_the_place_of_images_is_refused(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(FileNotFoundError, match=f"No images at .*{name}: --im"):
        files.find_images(tmp_path / name, tmp_path / "out")


def test_a_text_without_paths_is_named(tmp_path):
    note = tmp_path / "note.txt"
    note.write_text("\nmilk and bread\neggs\n")
    with pytest.raises(
        FileNotFoundError,
        match=r"^Line 2 of .*note\.txt names 'milk and bread', which does not",
    ):
        files.find_images(note, tmp_path / "out")
