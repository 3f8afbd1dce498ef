"""From a network to files that label tools read, by the page's commands."""

import importlib.util
import json
import pathlib
import re
import shlex
import sys

import numpy as np
import pytest
from PIL import Image

from ipixmatch_jax.checkpoints.manager import Checkpoints, Saved
from ipixmatch_jax.configuration import saved
from ipixmatch_jax.data.datasets.shapes import CLASS_NAMES
from ipixmatch_jax.data.prepare.label_tools.convert import convert_labels
from ipixmatch_jax.models import registry
from ipixmatch_jax.predict import __main__ as predict_command
from ipixmatch_jax.predict import workdir
from tests import golden, tiny_run, two_convolutions
from tests.predict.formats import readers
from tests.predict.formats.awkward import iou

pytestmark = pytest.mark.slow

PAGE = pathlib.Path(__file__).resolve().parents[3] / "docs/predict.md"
COMMANDS = re.findall(
    r"^ipixmatch (predict .*--format .*)$", PAGE.read_text("utf-8"), re.M
)
PHOTOS = ("a.jpg", "b c.png", "deep/a.jpg")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder in which a reader types the page's commands."""
    work = tmp_path_factory.mktemp("work")
    config = tiny_run.tiny()
    network = registry.build(two_convolutions.NAME, len(CLASS_NAMES))
    path = work / "runs/mine"
    path.mkdir(parents=True)
    saved.save_config(config, path)
    weights = golden.random_variables(network)
    trees = {"student": weights, "teacher": weights}
    with Checkpoints(path) as checkpoints:
        best = Saved(50.0, 7, "student")
        checkpoints.save(7, trees, best, config.to_dict(), 50.0)
        checkpoints.wait()
    for seed, name in enumerate(PHOTOS):
        photo = work / "photos" / name
        photo.parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(seed)
        small = Image.fromarray(rng.integers(0, 256, (6, 9, 3), np.uint8))
        exif = Image.Exif()
        exif[0x0112] = 6 if name == "a.jpg" else 1  # taken upright
        small.resize((121, 80), Image.Resampling.BICUBIC).save(photo, exif=exif)
    return work


def predict(work, words, monkeypatch):
    monkeypatch.chdir(work)
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as end:
        predict_command.run()
    assert end.value.code == 0


def truth(work):
    """{name: class ids} of the masks."""
    folder = work / "out/predictions"
    paths = sorted(folder.rglob("*.png"))
    return {
        path.relative_to(folder).with_suffix("").as_posix(): np.asarray(
            Image.open(path)
        )
        for path in paths
    }


def test_the_page_has_a_command_for_every_format():
    formats = re.findall(r"--format (\w+)", "\n".join(COMMANDS))
    assert sorted(formats) == ["coco", "cvat", "labelme", "labelstudio"]


@pytest.fixture(scope="module")
def predicted(run):
    """What the page's commands leave, beside the masks."""
    words = "predict --workdir runs/mine --images photos --out out"
    with pytest.MonkeyPatch.context() as patch:
        for command in [words, *COMMANDS]:
            predict(run, _without_missing(shlex.split(command)), patch)
    return run


def _without_missing(words):
    """The command without outlines where shapely is not installed."""
    missing = importlib.util.find_spec("shapely") is None
    return [w for w in words if not (missing and w == "--polygons")]


def test_cvat_reads_the_same_masks(predicted):
    found, _ = readers.read_cvat(predicted / "out/cvat.zip")
    masks = truth(predicted)
    assert list(found) == ["a", "b c", "deep/a"]
    assert masks["a"].shape == (121, 80)  # turned upright
    for name, ids in masks.items():
        seen = np.zeros_like(ids)
        for label, mask in found[name]:
            seen[mask] = CLASS_NAMES.index(label)
        np.testing.assert_array_equal(seen, ids)
        assert len(np.unique(ids)) > 2


def test_pycocotools_reads_the_same_masks(predicted):
    pytest.importorskip("pycocotools")
    path = predicted / "out/coco/annotations.json"
    found = readers.read_coco(path, CLASS_NAMES)
    for name, ids in truth(predicted).items():
        np.testing.assert_array_equal(found[name][0], ids)
        assert all(0 < one["score"] <= 1 for one in found[name][1])


def test_label_studio_reads_the_same_masks(predicted):
    path = predicted / "out/labelstudio/tasks.json"
    found = readers.read_labelstudio(path, CLASS_NAMES)
    for (url, prediction, seen), (name, ids) in zip(
        found, truth(predicted).items(), strict=True
    ):
        assert f"?d=photos/{name.replace(' ', '%20')}." in url
        np.testing.assert_array_equal(seen, ids)
        assert prediction["model_version"] == "the student after 7 steps"


def test_labelme_reads_nearly_the_same_masks(predicted):
    for name, ids in truth(predicted).items():
        path = predicted / f"out/labelme/{name}.json"
        seen, _ = readers.read_labelme(path, CLASS_NAMES)
        for k in range(1, len(CLASS_NAMES)):
            assert iou(seen == k, ids == k) >= 0.99


def test_a_command_that_was_stopped_continues_and_keeps_corrections(
    predicted, monkeypatch
):
    out = predicted / "out"
    corrected = out / "labelme/a.json"
    corrected.write_text("mine")
    (out / "overlays/a.png").unlink()
    (out / "labelme/deep/a.json").unlink()
    (out / "cvat/SegmentationObject/deep/a.png").unlink()
    whole = (out / "cvat.zip").read_bytes()
    (out / "cvat.zip").unlink()
    for command in COMMANDS[:2]:
        predict(predicted, _without_missing(shlex.split(command)), monkeypatch)
    assert corrected.read_text() == "mine"
    assert (out / "overlays/a.png").is_file()
    assert (out / "labelme/deep/a.json").is_file()
    assert (out / "cvat.zip").read_bytes() == whole
    assert not list(out.rglob("*.partial"))


def test_another_tolerance_is_refused(predicted):
    pytest.importorskip("shapely")
    with pytest.raises(ValueError, match=r"tolerance 0\.5 there, 2\.0 here"):
        workdir.predict_workdir(
            predicted / "runs/mine",
            predicted / "photos",
            predicted / "out",
            label_format="labelme",
            options={"tolerance": 2.0},
        )


@pytest.mark.parametrize(
    ("tool", "source"),
    [("cvat", "cvat.zip"), ("coco", "coco/annotations.json")],
)
def test_prepare_reads_what_predict_wrote(predicted, tool, source, tmp_path):
    pytest.importorskip("pycocotools")
    made = tmp_path / "data"
    convert_labels(tool, predicted / "out" / source, made, predicted / "photos")
    names = list(json.loads((made / "classes.json").read_text("utf-8")))
    for name, ids in truth(predicted).items():
        mask = np.asarray(Image.open(made / f"masks/{name}.png"))
        seen, there = np.array(names)[mask], np.array(CLASS_NAMES)[ids]
        np.testing.assert_array_equal(seen, there)
