"""`prepare` of a label tool, as it is called; `coco` has two meanings."""

import pytest

from ipixmatch_jax.data.prepare import __main__ as prepare_main
from tests.data.prepare import downloads
from tests.data.prepare.label_tools import exports, golden
from tests.data.prepare.label_tools.exports import FLAT, annotation, shape


def called(*words):
    prepare_main.main([str(word) for word in words])


def refused(capsys, *words):
    """The one line of a call that fails."""
    with pytest.raises(SystemExit):
        called(*words)
    (line,) = capsys.readouterr().err.strip().splitlines()
    return line


def test_a_label_tool(tmp_path, capsys):
    source, out = tmp_path / "in", tmp_path / "deep/out"
    small = shape("a", points=[[3, 4], [5, 4], [5, 6]])
    exports.labelme(source, shape("b"), small, shape(kind="line"))
    options = ("--uncovered", "void", "--lines", "skip", "--classes", "b", "a")
    called("labelme", "--source", source, "--out", out, *options)
    assert capsys.readouterr().out.splitlines() == [
        "train: 1 labelled image, 0 without labels",
        "classes: 0 b, 1 a, 2 void",
        "Train on them with",
        f"  --config.data.root={out}",
    ]
    assert golden.files(out) == ["classes.json", "images/a.jpg", "masks/a.png"]


def test_coco_of_a_label_tool(tmp_path, capsys):
    exports.coco(tmp_path / "in/list.json", annotation([FLAT]))
    out = tmp_path / "out"
    called("coco", "--source", tmp_path / "in", "--out", out)
    assert "classes: 0 background, 1 crack" in capsys.readouterr().out
    assert (out / "masks/a.png").is_file()
    # The list alone, with the images elsewhere.
    source, other = tmp_path / "in/list.json", tmp_path / "other"
    images = ("--images", tmp_path / "in")
    called("coco", "--source", source, "--out", other, *images)
    assert golden.files(other) == golden.files(out)


def test_the_public_coco(tmp_path, capsys):
    """Its archives are told from an export, with and without --out."""
    images = {"train2017": [(9, (8, 6))], "val2017": [(139, (8, 6))]}
    notes = [
        annotation([[1, 1, 4, 1, 4, 5.0]], image=image) for image in (9, 139)
    ]
    downloads.coco(tmp_path / "in", images, notes)
    called("coco", "--source", tmp_path / "in", "--out", tmp_path / "out")
    assert "coco_segmentation" in capsys.readouterr().out
    words = ("coco", "--source", tmp_path / "in", "--out", tmp_path / "other")
    said = refused(capsys, *words, "--lines", "skip")
    assert "the public data set coco" in said and "leave them out" in said


def test_without_out(tmp_path, capsys):
    exports.labelme(tmp_path / "in")
    said = refused(capsys, "labelme", "--source", tmp_path / "in")
    assert "--out is missing: name the new folder" in said
    # The public data set, which is made where it lies.
    said = refused(capsys, "coco", "--source", tmp_path / "in")
    assert "train2017.zip" in said


def test_a_source_that_is_not_there(tmp_path, capsys):
    words = ("--source", tmp_path / "gone", "--out", tmp_path / "out")
    said = refused(capsys, "cvat", *words)
    assert f"There is nothing at {tmp_path / 'gone'}: name the folder" in said


def test_the_options_are_not_of_public_data_sets(tmp_path, capsys):
    words = ("voc", "--source", tmp_path, "--out", tmp_path / "out")
    said = refused(capsys, *words, "--uncovered", "void")
    assert "public data set voc" in said
