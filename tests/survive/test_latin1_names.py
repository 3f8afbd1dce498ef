"""File names that are not UTF-8, from training to the last command."""

import os

import pytest

from ipixmatch_jax.checkpoints.manager import Checkpoints
from ipixmatch_jax.configs import folder as folder_config
from ipixmatch_jax.experiment import score
from ipixmatch_jax.predict.workdir import predict_workdir
from ipixmatch_jax.report.build import write_report
from ipixmatch_jax.suggest.suggestions import (
    suggest_images,
    write_suggestions,
)
from ipixmatch_jax.training import divergence, loop
from ipixmatch_jax.utils.json_files import read_json
from tests import two_convolutions
from tests.data import own_folder as own

pytestmark = pytest.mark.slow


def rename_all(folder):
    """Names every file as an old zip would: bytes that are not UTF-8."""
    for path in sorted(folder.rglob("*.*")):
        if path.suffix in (".jpg", ".png"):
            name = f"Straße{path.name}".encode("latin-1")
            os.rename(path, os.path.join(os.fsencode(path.parent), name))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """(folder of images, workdir) of two steps; the first is odd too."""
    place = tmp_path_factory.mktemp("latin1")
    root = place / os.fsdecode(b"B\xe4ume")
    own.make(root, 7, 4, draw=own.rgb, classes=own.CLASSES)
    own.make(root / "val", 2, 2, draw=own.rgb)
    rename_all(root)
    config = folder_config.get_config("tiny,method=supervised")
    config.model.backbone = two_convolutions.NAME
    config.data.root = str(root)
    config.data.crop_size = 33
    config.train.batch_size = 2
    config.train.steps = config.train.eval_every = 2
    config.inter_pixel.weight = 0.0
    config.mesh.data = 1
    workdir = place / "run"
    assert loop.train(config, workdir) == 0
    return root, workdir


def test_the_run_is_scored_and_predicts(run, tmp_path):
    root, workdir = run
    assert "after 2 steps" in score.evaluate_workdir(workdir, "best", None)
    done = predict_workdir(workdir, root / "images", tmp_path / "out")
    assert done == (7, 0, 0)
    assert predict_workdir(workdir, root / "images", tmp_path / "out")[1] == 7
    name = os.fsdecode(b"Stra\xdfe3.png")
    assert (tmp_path / "out/predictions" / name).is_file()


def test_its_report_and_suggestions_have_escaped_names(run, tmp_path):
    _, workdir = run
    page = write_report([workdir], images=2).read_text(encoding="utf-8")
    assert "val/images/Stra\\xdfe" in page
    found = suggest_images(workdir, 2)
    text, table, _ = write_suggestions(found, tmp_path)
    names = text.read_text(encoding="utf-8").splitlines()
    assert len(names) == 2
    assert all(name.startswith("images/Stra\\xdfe") for name in names)
    assert names[0] in table.read_text(encoding="utf-8")


def test_a_workdir_that_cannot_hold_checkpoints_is_refused_first(tmp_path):
    odd = tmp_path / os.fsdecode(b"L\xe4ufe")
    config = folder_config.get_config("tiny")
    with pytest.raises(ValueError, match=r"L\\xe4ufe is not UTF-8, and"):
        loop.train(config, odd)
    assert not odd.exists()
    with pytest.raises(ValueError, match="is not UTF-8, and"):
        Checkpoints(odd, read_only=True)


def test_a_diverged_run_names_its_images(run, tmp_path):
    root, _ = run
    from ipixmatch_jax.experiment.data import open_data

    config = folder_config.get_config("tiny")
    config.data.root = str(root)
    watch = divergence.Watch(open_data(config), tmp_path)
    watch.note_batch(10, {"labelled": {"index": [0]}})
    metrics = {"skipped_in_a_row": 10, "loss": float("nan")}
    with pytest.raises(divergence.DivergenceError):
        watch.stop_if_diverged(10, metrics, lambda: None)
    written = read_json(tmp_path / divergence.FILE, "")
    (one,) = written["inputs"]
    assert one["labelled"]["names"][0].startswith("images/Stra\\xdfe")
    # A record of an earlier process that is torn does not hide the sentence.
    (tmp_path / divergence.FILE).write_text('{"inputs": [')
    with pytest.raises(divergence.DivergenceError):
        watch.stop_if_diverged(10, metrics, lambda: None)
