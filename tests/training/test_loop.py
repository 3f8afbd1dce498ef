"""Whole runs on tiny scenes: resume, results, divergence, refusals."""

import functools
import json
import os
import signal

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from ipixmatch_jax.checkpoints.manager import Checkpoints
from ipixmatch_jax.configuration import saved
from ipixmatch_jax.data import pipeline
from ipixmatch_jax.data.datasets import shapes
from ipixmatch_jax.distributed.preemption import StopRequest
from ipixmatch_jax.experiment import score as evaluate_command
from ipixmatch_jax.experiment.data import open_data
from ipixmatch_jax.experiment.network import build_network
from ipixmatch_jax.models.weights import files, torch_names
from ipixmatch_jax.training import divergence, loop, step
from ipixmatch_jax.training.state_trees import checkpoint_trees
from tests import golden
from tests.tiny_run import build, few_scenes, tiny

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _few_scenes(monkeypatch):
    few_scenes(monkeypatch)


def read(workdir, at):
    """Every array of a checkpoint, as NumPy."""
    config = saved.load_config(workdir)
    with Checkpoints(workdir) as checkpoints:
        like = checkpoint_trees(build(config).like)
        return jax.tree.map(np.asarray, checkpoints.restore(at, like))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run of four uninterrupted steps."""
    workdir = tmp_path_factory.mktemp("whole")
    patch = pytest.MonkeyPatch()
    few_scenes(patch)
    assert loop.train(tiny(), workdir) == 0
    patch.undo()
    return workdir


def test_two_steps_a_stop_and_two_more_equal_four(
    whole, tmp_path, monkeypatch, caplog
):
    def asked(self, done):
        self.exit_code = 128 + signal.SIGTERM
        return done == 2

    seen = []
    train_batches = pipeline.train_batches

    def watched(*args, **kwargs):
        stream = train_batches(*args, **kwargs)
        return stream.map(lambda batch: seen.append(batch) or batch)

    with monkeypatch.context() as patch:
        patch.setattr(StopRequest, "asked", asked)
        # XLA has read its flags.
        patch.setenv("XLA_FLAGS", f"{os.environ['XLA_FLAGS']} --other=1")
        assert loop.train(tiny(), tmp_path) == 143
    monkeypatch.setattr(pipeline, "train_batches", watched)
    with caplog.at_level("INFO", "ipixmatch_jax"):
        assert loop.train(tiny(), tmp_path) == 0
    assert "XLA_FLAGS is '--other=1 " in caplog.text
    jax.tree.map(
        np.testing.assert_array_equal, read(whole, 4), read(tmp_path, 4)
    )
    data = open_data(tiny())
    stream = train_batches(
        data.labelled, data.unlabelled, batch_size=2, crop_size=33, seed=0
    )

    def was_seen(step):
        # Threads read ahead, so the batches are requested in any order.
        image = stream[step]["labelled"]["image"]
        read = [b["labelled"]["image"] for b in seen if b is not None]
        return any(np.array_equal(image, other) for other in read)

    assert [was_seen(step) for step in range(4)] == [False, False, True, True]


def test_a_signal_before_the_first_step_compiles_no_step(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(StopRequest, "asked", lambda self, done: True)
    config = tiny()
    parts = build(config)._replace(train_step=lambda *_: pytest.fail("ran"))
    assert loop.train(config, tmp_path, build=lambda *_: parts) == 143
    assert "Stopped on a signal; saved 0 steps." in capsys.readouterr().out
    assert not list((tmp_path / "checkpoints").iterdir())


def test_evaluate_repeats_the_results_of_a_finished_run(whole, capsys):
    results = json.loads((whole / "results.json").read_text())
    assert results["class_names"] == list(shapes.CLASS_NAMES)
    assert results["made_with"]["jax"] == jax.__version__
    assert results["made_with"]["devices"] == "8 x cpu"
    last = results["last"]
    assert last["step"] == 4
    assert len(last["test"]["iou"]) == 6
    np.testing.assert_allclose(
        last["val"]["miou"], np.mean(last["val"]["iou"]), rtol=1e-9
    )
    table = evaluate_command.evaluate_workdir(whole, "last", None)
    head, _, mean = table.splitlines()[:3]
    column = head.split("|").index(f" {last['network']}, test ")
    found = mean.split("|")[column].strip()
    assert found == f"{last['test']['miou']:.1f}"
    assert table.endswith("last: after 4 steps")
    with Image.open(whole / "pictures.png") as picture:
        assert picture.width == 4 * shapes.SIZE + 5 * 4
    lines = [
        json.loads(line)
        for line in (whole / "metrics.jsonl").read_text().splitlines()
    ]
    trained = [line for line in lines if "loss" in line]
    assert [line["step"] for line in trained] == [3, 4]
    for name in ("loss_x", "loss_u", "loss_ip", "confident_share"):
        assert np.isfinite(trained[-1][name])
    assert {"val_miou_student", "val_miou_teacher"} <= set(lines[1])


RECORD = ("config.json", "classes.json", "images.json", "metrics.jsonl")


def test_repeating_a_finished_run_trains_nothing(whole, caplog):
    before = [(whole / name).read_text() for name in RECORD]
    caplog.set_level("INFO", "ipixmatch_jax")
    assert loop.train(tiny(), whole) == 0
    assert "NOTHING WAS TRAINED" not in caplog.text
    assert [(whole / name).read_text() for name in RECORD] == before


def test_a_finished_run_keeps_its_record_when_other_fields_are_given(
    whole, caplog
):
    before = [(whole / name).read_text() for name in RECORD]
    others = {"data.crop_size": 65, "train.learning_rate": 0.5}
    assert loop.train(tiny(**others), whole) == 0
    assert [(whole / name).read_text() for name in RECORD] == before
    (said,) = [r.message for r in caplog.records if "TRAINED" in r.message]
    assert "NOTHING WAS TRAINED" in said
    assert "data.crop_size is 33 there and 65 here" in said
    assert "train.learning_rate is 0.03 there and 0.5 here" in said
    assert "choose another --workdir" in said


def test_a_shape_changing_field_is_refused_on_resume(whole):
    with pytest.raises(ValueError, match=r"teacher is 'ema' there"):
        loop.train(tiny(teacher="shared"), whole)


def test_ten_skipped_updates_in_a_row_stop_the_run(tmp_path, monkeypatch):
    def broken(state, batch, **_):
        bad = step.TrainState(
            step=state.step + 1,
            student=state.student,
            teacher=state.teacher,
            opt_state=state.opt_state,
            skipped=state.skipped + 1,
            skipped_in_a_row=state.skipped_in_a_row + 1,
        )
        nan = jnp.float32(np.nan)
        metrics = {"loss_x": jnp.float32(1), "loss_u": nan, "loss": nan}
        metrics["learning_rate"] = jnp.float32(0.1)
        return bad, metrics | {"skipped_in_a_row": bad.skipped_in_a_row}

    monkeypatch.setattr(step, "train_step", broken)
    config = tiny(**{"train.steps": 40, "train.save_every": 4})
    config.train.eval_every = 40
    with pytest.raises(
        divergence.DivergenceError,
        match=r"step 10 \(.*loss_u.*\).*checkpoints/8",
    ):
        loop.train(config, tmp_path)


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("method", "fixmatsch", "one of supervised, mean_teacher, fixmatch"),
        ("train.batch_size", 3, "multiple of 2"),
        ("pseudo_label.threshold", 1.5, "too large; it is 0 to 1"),
        ("inter_pixel.relation", "pixels", "one of channel, affinity, pixel"),
        ("inter_pixel.temperature", 0.0, "it is above 0"),
        ("model.num_classes", 7, "shapes has 6 classes"),
        ("data.split", "1_3", "no split '1_3'"),
        ("mesh.data", 9, "8 are here"),
        ("method", "supervised", "add --config.inter_pixel.weight=0"),
    ],
)
def test_a_wrong_field_is_one_sentence_before_anything_is_written(
    tmp_path, field, value, sentence
):
    workdir = tmp_path / "run"
    with pytest.raises(ValueError, match=sentence):
        loop.train(tiny(**{field: value}), workdir)
    assert not workdir.exists()


def test_two_students_are_saved_resumed_and_both_scored(tmp_path, monkeypatch):
    changes = {"method": "cps", "teacher": "shared", "train.steps": 2}
    config = tiny(**changes)
    built = build(config)  # one compilation for all
    run = functools.partial(loop.train, config, build=lambda *_: built)

    def asked(self, done):
        self.exit_code = 128 + signal.SIGTERM
        return done == 1

    with monkeypatch.context() as patch:
        patch.setattr(StopRequest, "asked", asked)
        assert run(tmp_path / "cut") == 143
    for name in ("cut", "whole"):
        assert run(tmp_path / name) == 0
    cut, whole = (read(tmp_path / name, 2) for name in ("cut", "whole"))
    assert set(whole) == {"student", "twin", "optimiser"}
    jax.tree.map(np.testing.assert_array_equal, cut, whole)
    table = evaluate_command.evaluate_workdir(tmp_path / "whole", "last", None)
    assert "| student, val | student, test | twin, val | twin, test |" in table
    with pytest.raises(ValueError, match="method is 'cps' there"):
        loop.train(tiny(teacher="shared"), tmp_path / "whole")


def test_two_students_refuse_a_file_with_a_head(tmp_path):
    config = tiny(
        **{"method": "cps", "teacher": "shared", "model.backbone": "tiny"}
    )
    whole = golden.random_variables(build_network(config))
    path = tmp_path / "whole.safetensors"
    files.write_tensors(path, torch_names.to_torch_names(whole))
    config.model.pretrained = str(path)
    with pytest.raises(ValueError, match="holds a head too"):
        build(config).init(0)


def test_the_last_networks_are_scored_on_val_once(tmp_path):
    config = tiny(**{"train.steps": 3})  # ends with an evaluation
    built = build(config)
    scored = []

    def evaluate(networks, source, **more):
        scored.append((set(networks), source is built.data.val))
        return built.evaluate(networks, source, **more)

    counted = built._replace(evaluate=evaluate)
    assert loop.train(config, tmp_path, build=lambda *_: counted) == 0
    (networks, on_val), (_, on_val_again) = scored
    assert networks == {"student", "teacher"}
    assert on_val and not on_val_again
