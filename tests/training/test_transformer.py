"""A vision transformer's whole way: trained, continued, scored and used."""

import functools
import signal
import zipfile

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file

from ipixmatch_jax.checkpoints.manager import Checkpoints
from ipixmatch_jax.configs import voc
from ipixmatch_jax.configuration import saved
from ipixmatch_jax.distributed.preemption import StopRequest
from ipixmatch_jax.experiment import convert_weights, score
from ipixmatch_jax.predict.model import load_model
from ipixmatch_jax.predict.workdir import export_workdir
from ipixmatch_jax.sweep.programs import Programs
from ipixmatch_jax.training import loop
from ipixmatch_jax.training.state_trees import checkpoint_trees
from tests.tiny_run import build, few_scenes, tiny

pytestmark = pytest.mark.slow

SMALL = {
    "data.crop_size": 28,
    "inter_pixel.weight": 0.1,
    "train.steps": 2,
    "train.eval_every": 2,
}


def config(**changes):
    """VOC's recipe of a transformer, on a few drawn scenes."""
    recipe = voc.get_config("dinov2tiny_92").to_dict()
    copied = {
        f"{section}.{name}": recipe[section][name]
        for section, names in {
            "model": ("backbone",),
            "ema": ("decay", "rampup"),
            "train": (
                "optimiser",
                "head_multiplier",
                "weight_decay",
                "scale_rate",
            ),
        }.items()
        for name in names
    }
    # Faster than V2's, so that two steps can be seen.
    rate = {"train.learning_rate": 0.01, "train.reference_batch_size": 4}
    return tiny(
        method=recipe["method"], **{**copied, **rate, **SMALL, **changes}
    )


@pytest.fixture(autouse=True)
def _few_scenes(monkeypatch):
    few_scenes(monkeypatch)


@functools.cache
def programs():
    """Compiled once for all runs of this file."""
    return Programs()


def train(workdir):
    return loop.train(
        config(),
        workdir,
        open_data=programs().open_data,
        build=programs().build,
    )


@functools.cache
def like():
    return build(config()).like


def read(workdir, at):
    """Every array of a checkpoint, as NumPy."""
    with Checkpoints(workdir) as checkpoints:
        trees = checkpoints.restore(at, checkpoint_trees(like()))
    return jax.tree.map(np.asarray, trees)


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """A run of two uninterrupted steps."""
    path = tmp_path_factory.mktemp("transformer")
    with pytest.MonkeyPatch.context() as patch:
        few_scenes(patch)
        assert train(path) == 0
    return path


def test_a_step_and_another_one_equal_two(workdir, tmp_path, monkeypatch):
    def asked(self, done):
        self.exit_code = 128 + signal.SIGTERM
        return done == 1

    with monkeypatch.context() as patch:
        patch.setattr(StopRequest, "asked", asked)
        assert train(tmp_path) == 143
    assert train(tmp_path) == 0
    jax.tree.map(
        np.testing.assert_array_equal, read(workdir, 2), read(tmp_path, 2)
    )


def test_the_rate_is_scaled_and_what_is_untrained_stays(workdir):
    train = saved.load_config(workdir).train
    assert train.learning_rate == pytest.approx(0.005)
    assert (train.batch_size, train.reference_batch_size) == (2, 2)
    before = jax.device_get(build(config()).init(0).student["params"]["head"])
    after = read(workdir, 2)["student"]["params"]["head"]
    unused, used = (("fuse_4", "unit_1"), ("fuse_4", "unit_2"))
    pick = lambda tree, path: tree[path[0]][path[1]]["conv1"]["conv"]["kernel"]  # noqa: E731
    np.testing.assert_array_equal(pick(after, unused), pick(before, unused))
    assert np.any(pick(after, used) != pick(before, used))


def test_the_run_is_scored_predicts_and_is_exported(workdir, tmp_path):
    table = score.evaluate_workdir(workdir, "best", None)
    assert "teacher, val" in table and "student, val" in table
    model = load_model(workdir)
    image = np.random.default_rng(0).integers(0, 256, (45, 31, 3), np.uint8)
    shares = model.probabilities(image)
    assert shares.shape == (45, 31, 6)
    np.testing.assert_allclose(shares.sum(-1), 1, atol=1e-5)
    with pytest.raises(ValueError, match="multiples of 14: choose 28 or 42"):
        model.predict(image, window=30)
    assert model.predict(image, window=14).shape == (45, 31)

    said = export_workdir(workdir, tmp_path / "model.zip", size=42)
    assert "for images up to 42x42" in said
    with zipfile.ZipFile(tmp_path / "model.zip") as archive:
        assert b"resized to 42 x 42" in archive.read("preprocessing.json")
        data = bytearray(archive.read("model.bin"))
    run = jax.jit(jax.export.deserialize(data).call)
    crop = image[:42, :28]
    whole = np.zeros((1, 42, 42, 3), np.uint8)
    whole[0] = np.pad(crop, ((0, 0), (0, 14), (0, 0)), mode="reflect")
    ids, sure = run(whole, np.int32([[42, 42]]))
    expected = model.probabilities(whole[0])
    np.testing.assert_allclose(sure[0], expected.max(-1), atol=1e-4)
    assert np.mean(ids[0] == expected.argmax(-1)) > 0.99


def test_its_weights_go_to_v2s_names_and_back(workdir, tmp_path):
    to, again = tmp_path / "v2.safetensors", tmp_path / "again.safetensors"
    said = convert_weights.export_weights(str(workdir), to, network="student")
    assert "the student after 2 steps" in said
    assert "head.scratch.output_conv.2.weight" in load_file(to)
    said = convert_weights.convert_weights(str(to), again)
    assert "dinov2tiny, a whole network of 6 classes" in said
    student = read(workdir, 2)["student"]["params"]
    started = build(config(**{"model.pretrained": str(again)})).init(0)
    jax.tree.map(
        np.testing.assert_array_equal,
        jax.device_get(started.student["params"]),
        student,
    )


def test_a_file_of_weights_is_scored(workdir, tmp_path):
    to = tmp_path / "v2.safetensors"
    convert_weights.export_weights(str(workdir), to, network="teacher")
    table = score.evaluate_weights(config(), str(to))
    listed = score.evaluate_workdir(workdir, "best", None)
    row = next(x for x in table.splitlines() if x.startswith("| mean (mIoU)"))
    value = row.split("|")[2].strip()
    (expected,) = [
        x for x in listed.splitlines() if x.startswith("| mean (mIoU)")
    ]
    assert value in expected
