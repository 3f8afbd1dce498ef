"""A run on data with unusable images."""

import json

import pytest

from ipixmatch_jax.data import pipeline
from ipixmatch_jax.data.datasets import shapes
from ipixmatch_jax.data.source import BadFileError
from ipixmatch_jax.training import loop
from ipixmatch_jax.training.writer import Writer
from tests.tiny_run import few_scenes, tiny

pytestmark = pytest.mark.slow

BAD = 70  # The unusable scene.


@pytest.fixture(autouse=True)
def _one_bad_scene(monkeypatch):
    few_scenes(monkeypatch)
    whole = shapes.Scenes.__getitem__

    def getitem(self, i):
        if self.name(i) == f"scene_1_{BAD:04d}.png":
            raise BadFileError(f"{self.name(i)} is spoilt.")
        return whole(self, i)

    monkeypatch.setattr(shapes.Scenes, "__getitem__", getitem)


def seed_that_shows(place, stream, length):
    """A seed with which the first four steps of two images use a position."""
    for seed in range(500):
        order = pipeline.epoch_order((seed, stream), 0, length)
        if place in order[:8]:
            return seed
    raise AssertionError("no such seed")


def bad_images(workdir):
    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    lines = [json.loads(line) for line in lines]
    return sum(line["bad_images"] for line in lines if "loss" in line)


def test_a_bad_unlabelled_image_is_skipped_and_counted(tmp_path):
    config = tiny(
        **{"data.split": "1_8"}
    )  # With 32 labelled scenes the bad one is unlabelled.
    config.seed = seed_that_shows(BAD - 32, 1, 256 - 32)
    assert loop.train(config, tmp_path) == 0
    assert bad_images(tmp_path) == 1


def test_a_bad_labelled_image_stops_the_run_or_is_skipped(tmp_path):
    # With 128 labelled scenes the bad one is labelled.
    config = tiny(**{"data.split": "1_2", "train.log_every": 1})
    config.seed = seed_that_shows(BAD, 0, 128)
    with pytest.raises(BadFileError, match=r"scene_1_0070.png is spoilt"):
        loop.train(config, tmp_path / "stop")
    config.data.on_error = "skip"
    assert loop.train(config, tmp_path / "skip") == 0
    assert bad_images(tmp_path / "skip") == 1


def test_the_unfinished_line_of_a_killed_run_is_removed(tmp_path):
    path = tmp_path / "metrics.jsonl"
    for before in ('{"step": 1}\n{"step": 2, "lo', '{"step": 1}\n', '{"st', ""):
        path.write_text(before)
        how = {"start": 2, "steps": 4, "images_per_step": 2, "active": True}
        with Writer(tmp_path, **how) as writer:
            writer.write_scalars(3, {"loss": 1.0})
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        whole = [{"step": 1}] if "1" in before else []
        assert lines == [*whole, {"step": 3, "loss": 1.0}]
