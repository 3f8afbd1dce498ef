"""The search for the largest batch that fits; a run keeps its batch."""

import json
import logging

import jax
import numpy as np
import pytest

from ipixmatch_jax.configs import (
    ade20k,
    camvid,
    cityscapes,
    coco,
    common,
    folder,
    shapes,
    tfds,
    voc,
)
from ipixmatch_jax.configuration.saved import load_config
from ipixmatch_jax.data.datasets import shapes as scenes
from ipixmatch_jax.distributed.mesh import make_mesh
from ipixmatch_jax.experiment import validate
from ipixmatch_jax.experiment.data import open_data
from ipixmatch_jax.experiment.resolve import resolve_config, scale_rate
from ipixmatch_jax.methods.registry import METHODS
from ipixmatch_jax.training import batch_size as batch_fit
from ipixmatch_jax.training import device_memory, least_memory, loop
from tests import two_convolutions
from tests.tiny_run import build

pytestmark = pytest.mark.slow


def search(memory, limit, *, unit=2, most=1000):
    """The batch found, and the batches that were tried."""
    asked = []

    def watched(batch):
        asked.append(batch)
        return memory(batch)

    found = batch_fit.largest_batch(watched, limit, unit=unit, most=most)
    return found, asked


# 100 + 7 b <= 400 up to b = 42.86.
@pytest.mark.parametrize(
    ("unit", "most", "batch", "asked"),
    [
        (2, 1000, 42, [2, 4, 42]),
        (16, 1000, 32, [16, 32]),
        (2, 20, 20, [2, 4, 20]),
        (2, 5, 4, [2, 4]),
        (2, 1, 2, [2]),
        (40, 1000, 40, [40, 80]),
    ],
)
def test_affine_memory_takes_three_tries(unit, most, batch, asked):
    found, questions = search(lambda b: 100 + 7 * b, 400, unit=unit, most=most)
    assert found == (batch, 100 + 7 * batch)
    assert questions == asked


def test_zero_means_that_no_batch_fits():
    assert search(lambda b: 100 + 7 * b, 113) == ((0, 114), [2])


@pytest.mark.parametrize(
    "memory",
    [
        lambda b: 100 + 5 * b + b * b // 8,
        lambda b: 100 + 40 * b**0.5,
        lambda b: 100 + 7 * b + (500 if b > 30 else 0),
        lambda b: 900 - b if b < 20 else 100 + 4 * b,
        lambda b: 300,
    ],
    ids=["convex", "concave", "a jump", "falling first", "flat"],
)
@pytest.mark.parametrize("limit", [350, 700, 1000])
def test_the_returned_batch_was_tried_however_memory_grows(memory, limit):
    (batch, size), asked = search(memory, limit, most=500)
    assert len(asked) <= 6
    if memory(2) > limit:
        assert (batch, asked) == (0, [2])
        return
    assert batch in asked
    assert size == memory(batch) <= limit
    assert batch % 2 == 0


def test_the_search_steps_back_after_a_jump_in_memory():
    # The line through the first tries predicts 42 images, but only 30 fit.
    (batch, _), asked = search(
        lambda b: 100 + 7 * b + (500 if b > 30 else 0), 400
    )
    assert 42 in asked
    assert 6 <= batch <= 30


def test_the_rate_goes_with_the_batch():
    assert scale_rate(0.001, 32, 8, "sgd") == pytest.approx(0.004)
    assert scale_rate(0.001, 2, 8, "sgd") == pytest.approx(0.00025)
    assert scale_rate(0.001, 32, 8, "adam") == pytest.approx(0.002)


def test_the_free_memory_of_the_host():
    meminfo = "MemTotal: 9000 kB\nMemAvailable:    2000 kB\nHugePages: 0\n"
    assert device_memory.available_memory(meminfo) == 2_048_000
    assert device_memory.available_memory(meminfo, "max\n", "5\n") == 2_048_000
    assert (
        device_memory.available_memory(meminfo, "1000000\n", "400000\n")
        == 600_000
    )
    assert device_memory.available_memory(meminfo, "1000\n", "4000\n") == 0


@pytest.mark.parametrize(
    "module", [ade20k, camvid, cityscapes, coco, folder, shapes, voc]
)
@pytest.mark.parametrize("method", ["supervised", "mean_teacher", "cps"])
def test_every_recipe_has_a_reference_batch_for_its_rate(module, method):
    default = {
        ade20k: "r101_1_16",
        camvid: "tiny_1_8",
        cityscapes: "r101_1_16",
        coco: "r101_1_512",
        folder: "tiny",
        shapes: "tiny_1_16",
        voc: "r101_1_8",
    }[module]
    config = module.get_config(f"{default},method={method}")
    assert config.train.reference_batch_size == config.train.batch_size
    assert config.train.batch_size > 0


def test_the_base_and_tfds_have_a_reference_batch_too():
    for config in (common.base(), tfds.get_config()):
        assert config.train.reference_batch_size == config.train.batch_size


def test_without_a_reference_batch_the_rate_cannot_be_scaled():
    config = shapes.get_config()
    config.train.batch_size = 0
    validate.check_config(config)
    config.train.reference_batch_size = 0
    with pytest.raises(ValueError, match="learning_rate is for"):
        validate.check_config(config)


def tiny():
    config = shapes.get_config("tiny_1_16,method=supervised")
    config.model.backbone = two_convolutions.NAME
    config.data.crop_size = 33
    config.train.batch_size = 0
    config.train.steps = 1
    config.train.eval_every = config.train.save_every = 1
    config.evaluate.batch_size = 4
    config.mesh.data = 1
    return config


@pytest.fixture
def few_scenes(monkeypatch):
    monkeypatch.setattr(scenes, "VAL", 2)
    monkeypatch.setattr(scenes, "TEST", 2)


def planned(config, batch_size):
    """Planned bytes for a real state and batch instead of shapes."""
    config = config.copy_and_resolve_references()
    config.train.batch_size = batch_size
    built = build(config)
    state = built.init(0)
    batch = {
        "labelled": {
            "image": np.zeros((batch_size, 33, 33, 3), np.uint8),
            "mask": np.zeros((batch_size, 33, 33), np.uint8),
            "index": np.zeros(batch_size, np.int32),
        }
    }
    memory = built.train_step.lower(state, batch).compile().memory_analysis()
    return (
        memory.temp_size_in_bytes
        + memory.argument_size_in_bytes
        + memory.output_size_in_bytes
        - memory.alias_size_in_bytes
    )


@pytest.mark.usefixtures("few_scenes")
def test_the_compiled_step_tells_which_batch_fits(monkeypatch):
    config = tiny()
    limit = planned(config, 4)
    monkeypatch.setattr(device_memory, "memory_limit", lambda devices: limit)
    data = open_data(config)
    resolved = resolve_config(config, data)
    mesh = make_mesh(1, 1)
    assert batch_fit.choose_batch_size(resolved, data, mesh)[0] == 4


def test_a_run_keeps_the_batch_that_it_found(
    few_scenes, tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr(least_memory, "check_memory", lambda *_: None)
    monkeypatch.setattr(device_memory, "memory_limit", lambda devices: 400)
    monkeypatch.setattr(batch_fit, "_memory", lambda *a: 300 + 20 * a[-1])
    caplog.set_level(logging.INFO, "ipixmatch_jax")
    config = tiny()
    config.train.reference_batch_size = 8
    assert loop.train(config, tmp_path) == 0
    saved = json.loads((tmp_path / "config.json").read_text())["train"]
    assert saved["batch_size"] == 4
    assert saved["learning_rate"] == 0.03 * 4 / 8
    line = (tmp_path / "metrics.jsonl").read_text().splitlines()[0]
    assert json.loads(line)["learning_rate"] == pytest.approx(0.015)
    assert "--config.train.batch_size=4 --config.train.learning_rate=0.015" in (
        caplog.text
    )
    # With less memory the run continues unchanged, from the same recipe.
    monkeypatch.setattr(device_memory, "memory_limit", lambda devices: 1)
    again = tiny()
    again.train.reference_batch_size = 8
    again = resolve_config(again, open_data(again), load_config(tmp_path))
    assert again.train.batch_size == 4
    assert again.train.learning_rate == saved["learning_rate"]


def test_too_little_memory_is_one_sentence_with_ways_out(
    few_scenes, tmp_path, monkeypatch
):
    monkeypatch.setattr(least_memory, "check_memory", lambda *_: None)
    monkeypatch.setattr(device_memory, "memory_limit", lambda devices: 100)
    monkeypatch.setattr(batch_fit, "_memory", lambda *a: 300 + 20 * a[-1])
    with pytest.raises(ValueError, match="Not even a batch of 2 fits") as error:
        loop.train(tiny(), tmp_path / "new")
    for way in ("crop_size", "bf16", "model.remat", "more devices"):
        assert way in str(error.value)
    assert not (tmp_path / "new").exists()


# The state of the tiny network takes less than 2**25 bytes, and the scores of
# 6 classes at 1024^2 pixels take 6 * 2**22 bytes.
@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("data.crop_size", 1024, r"Crops of 1024x1024 pixels, 2 labelled"),
        ("evaluate.batch_size", 3000, r"val is scored at 96x96 pixels, 3000"),
    ],
)
def test_images_that_can_fit_no_device_are_refused_before_compilation(
    few_scenes, tmp_path, monkeypatch, field, value, words
):
    monkeypatch.setattr(
        device_memory, "memory_limit", lambda devices: 3 * 2**24
    )
    config = tiny()
    config.train.batch_size = 2
    config.update_from_flattened_dict({field: value})
    with pytest.raises(ValueError, match=words):
        loop.train(config, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_unavoidable_arrays_are_counted_per_device(few_scenes, monkeypatch):
    config = tiny()
    # Large enough for the crops to need more than the images of val.
    config.model.backbone = "tiny"
    config.train.batch_size = 16
    config.mesh.data = 8
    built = build(config)
    leaves = jax.tree.leaves(built.like)
    state = sum(x.size * x.dtype.itemsize for x in leaves)
    least = state + 2 * 33 * 33 * 6 * 4
    monkeypatch.setattr(device_memory, "memory_limit", lambda devices: least)
    least_memory.check_memory(config, built)
    monkeypatch.setattr(
        device_memory, "memory_limit", lambda devices: least - 1
    )
    with pytest.raises(ValueError, match="Crops of 33x33 pixels, 2 labelled"):
        least_memory.check_memory(config, built)


def test_a_device_that_reports_no_memory_needs_a_batch_size(
    few_scenes, tmp_path, monkeypatch
):
    monkeypatch.setattr(device_memory, "memory_limit", lambda devices: None)
    with pytest.raises(ValueError, match="give a number, such as"):
        loop.train(tiny(), tmp_path / "new")


def test_cpu_devices_share_the_memory_of_the_host(monkeypatch, tmp_path):
    (tmp_path / "meminfo").write_text("MemAvailable: 1000000 kB\n")
    monkeypatch.setattr(device_memory, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(device_memory, "_CGROUP", tmp_path / "none")
    whole = 1_024_000_000 * 0.7
    assert device_memory.memory_limit(1) == pytest.approx(whole, abs=2)
    assert device_memory.memory_limit(8) == pytest.approx(whole / 8, abs=2)


def test_processes_agree_on_more_bytes_than_32_bits_can_hold(monkeypatch):
    def gathered(mine):
        assert mine.dtype == np.int32
        return np.stack([mine, mine - 1024])

    gib = 2**30
    assert device_memory.agree_on_memory(100 * gib + 1, np.min) == 100 * gib + 1
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    monkeypatch.setattr(
        device_memory.multihost_utils, "process_allgather", gathered
    )
    assert device_memory.agree_on_memory(100 * gib + 1, np.max) == 100 * gib
    assert device_memory.agree_on_memory(100 * gib, np.min) == 100 * gib - 2**20


@pytest.mark.parametrize("method", ["unimatch", "mean_teacher"])
def test_the_shapes_equal_those_of_real_batches(few_scenes, method):
    from ipixmatch_jax.data import pipeline

    config = shapes.get_config(f"tiny_1_16,method={method}")
    config.train.batch_size = 4
    config.mesh.data = 2
    built = build(config)
    real = pipeline.train_batches(
        built.data.labelled,
        built.data.unlabelled,
        batch_size=4,
        crop_size=config.data.crop_size,
        seed=0,
        recipe=METHODS[config.method].views,
    )[0]
    del real["bad"]
    drawn = batch_fit.abstract_batch(config, built.mesh)

    def look(x):
        return x.shape, x.dtype

    assert jax.tree.map(look, drawn) == jax.tree.map(look, real)
