"""VOC's recipe of a transformer on a few of its photographs, start to end."""

import fractions
import signal

import jax
import numpy as np
import pytest

from ipixmatch_jax.checkpoints.manager import Checkpoints
from ipixmatch_jax.configs import voc
from ipixmatch_jax.data.splits.draw import draw_splits
from ipixmatch_jax.distributed.preemption import StopRequest
from ipixmatch_jax.experiment import score
from ipixmatch_jax.predict.model import load_model
from ipixmatch_jax.predict.workdir import export_workdir
from ipixmatch_jax.training import loop
from ipixmatch_jax.training.state_trees import checkpoint_trees
from tests.tiny_run import build

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def config(voc_mini, tmp_path_factory):
    """The recipe with the smallest transformer, crop and lists."""
    lists = tmp_path_factory.mktemp("lists")
    assert draw_splits(voc_mini, fractions.Fraction(1, 5), 0, lists) == (4, 16)
    first, *_ = (lists / "val.txt").read_text().splitlines()
    (lists / "val.txt").write_text(first)  # each size compiles a program
    config = voc.get_config("dinov2tiny_92")
    config.update_from_flattened_dict(
        {
            "data.root": str(voc_mini),
            "data.splits_dir": str(lists),
            "data.split": "1_5",
            "data.num_workers": 0,
            "data.crop_size": 28,
            "inter_pixel.on": "grid",
            "train.batch_size": 2,
            "train.steps": 2,
            "train.eval_every": 2,
            "evaluate.batch_size": 1,
            "mesh.data": 1,
        }
    )
    return config


@pytest.fixture(scope="module")
def workdir(config, tmp_path_factory):
    """A run of two uninterrupted steps."""
    path = tmp_path_factory.mktemp("run")
    assert loop.train(config, path) == 0
    return path


def read(config, workdir):
    """Every array of the last checkpoint, as NumPy."""
    trees = checkpoint_trees(build(config).like)
    with Checkpoints(workdir) as checkpoints:
        return jax.tree.map(np.asarray, checkpoints.restore(2, trees))


def test_it_continues_bit_for_bit(config, workdir, tmp_path, monkeypatch):
    def asked(self, done):
        self.exit_code = 128 + signal.SIGTERM
        return done == 1

    with monkeypatch.context() as patch:
        patch.setattr(StopRequest, "asked", asked)
        assert loop.train(config, tmp_path) == 143
    assert loop.train(config, tmp_path) == 0
    jax.tree.map(
        np.testing.assert_array_equal,
        read(config, workdir),
        read(config, tmp_path),
    )


def test_it_is_scored_predicts_and_is_exported(workdir, tmp_path):
    table = score.evaluate_workdir(workdir, "best", None)
    assert "teacher, val" in table and "student, val" in table
    assert "aeroplane" in table
    image = np.random.default_rng(0).integers(0, 256, (30, 28, 3), np.uint8)
    labels = load_model(workdir).predict(image)
    assert labels.shape == (30, 28) and labels.max() < 21
    said = export_workdir(workdir, tmp_path / "model.zip", size=28)
    assert "for images up to 28x28" in said
