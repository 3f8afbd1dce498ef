"""A run whose updates are not finite stops and names the images."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from ipixmatch_jax import replay
from ipixmatch_jax.configuration import fields
from ipixmatch_jax.training import divergence, loop
from tests.tiny_run import few_scenes, tiny

pytestmark = pytest.mark.slow


def test_it_stops_with_the_images_of_the_bad_steps(tmp_path, monkeypatch):
    few_scenes(monkeypatch)
    consumed = {}
    note_batch = divergence.Watch.note_batch

    def watched(self, step, batch):
        consumed[step] = batch
        note_batch(self, step, batch)

    monkeypatch.setattr(divergence.Watch, "note_batch", watched)
    # The first update is finite but makes the weights far too large. It takes
    # a rate that no config may have.
    rate = fields.FIELDS["train.learning_rate"]
    wide = dataclasses.replace(rate, most=1e36)
    monkeypatch.setitem(fields.FIELDS, "train.learning_rate", wide)
    config = tiny(
        **{
            "method": "mean_teacher",
            "inter_pixel.weight": 0,
            "train.learning_rate": 1e35,
            "train.steps": 30,
            "train.eval_every": 30,
            "train.save_every": 4,
        }
    )
    with pytest.raises(
        divergence.DivergenceError, match=r"step 11 \(.*loss.*checkpoints/8"
    ) as error:
        loop.train(config, tmp_path)
    path = tmp_path / divergence.FILE
    assert str(path) in str(error.value)
    written = json.loads(path.read_text())
    assert written["step"] == 11
    assert "loss" in written["not_finite"]
    assert written["checkpoint"] == str(tmp_path / "checkpoints" / "8")
    assert [one["step"] for one in written["inputs"]] == list(range(2, 12))
    for one in written["inputs"]:
        batch = replay.batch(tmp_path, one["step"])
        for kind, first in (("labelled", 0), ("unlabelled", 16)):
            index = consumed[one["step"]][kind]["index"].tolist()
            assert one[kind]["index"] == index
            # Names of the demo's training scenes, 16 of which are labelled.
            names = [f"scene_1_{first + i:04d}.png" for i in index]
            assert one[kind]["names"] == names
            theirs = consumed[one["step"]][kind]
            jax.tree.map(np.testing.assert_array_equal, batch[kind], theirs)
