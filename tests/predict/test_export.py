"""The exported file, run by the program that it carries."""

import functools
import json
import os
import subprocess
import sys
import zipfile

import jax
import numpy as np
import pytest
from PIL import Image

from ipixmatch_jax.data.datasets import shapes
from ipixmatch_jax.models import registry as model_registry
from ipixmatch_jax.predict import export
from tests import golden

pytestmark = pytest.mark.slow

NAMES = ("sky", "straße", "car")
PALETTE = ((0, 0, 0), (1, 2, 3), (255, 0, 7))
# Runs a script where our package cannot be imported.
RUNNER = """
import runpy, sys
for name in ("ipixmatch_jax", "configs", "flax"):
    sys.modules[name] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def network():
    return model_registry.build("tiny", 3)


@pytest.fixture(scope="module")
def artifact(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "new" / "model.zip"
    export.write_export(
        path,
        network,
        golden.random_variables(network),
        size=(48, 64),
        class_names=NAMES,
        palette=PALETTE,
    )
    assert [p.name for p in path.parent.iterdir()] == ["model.zip"]
    return path


@pytest.mark.parametrize("kind", ["npy", "png", "jpg"])
def test_its_program_runs_without_our_package(
    artifact, network, tmp_path, kind
):
    image = shapes.draw_scene(0, 0)[0][:33, :45]
    name = f"image.{kind}"
    if kind == "npy":
        np.save(tmp_path / name, image)
    else:
        Image.fromarray(image).save(tmp_path / name, quality=95)
        # A JPEG's pixels are those that Pillow decodes.
        image = np.asarray(Image.open(tmp_path / name))
    target = "ids.npy" if kind == "npy" else "labels.png"
    result = run_exported(artifact, tmp_path, name, target)
    assert result.returncode == 0, result.stderr
    if kind == "npy":
        ids = np.load(tmp_path / target)
    else:
        with Image.open(tmp_path / target) as labels:
            ids = np.asarray(labels)
            painted = np.asarray(labels.convert("RGB"))
        np.testing.assert_array_equal(painted, np.array(PALETTE)[ids])
    logits = forward(network, image)
    second, first = np.moveaxis(np.sort(logits, -1)[..., -2:], -1, 0)
    clear = first - second > 1e-3
    assert clear.mean() > 0.98
    np.testing.assert_array_equal(ids[clear], logits.argmax(-1)[clear])
    for k in np.unique(ids):
        assert f"{NAMES[k]}: {100 * np.mean(ids == k):.1f} %" in result.stdout


def test_its_program_says_what_is_too_large(artifact, tmp_path):
    np.save(tmp_path / "image.npy", np.zeros((49, 20, 3), np.uint8))
    result = run_exported(artifact, tmp_path, "image.npy", "ids.npy")
    assert result.returncode == 1
    assert "has 20x49 pixels and the network takes at most 64x48" in (
        result.stderr
    )


def run_exported(artifact, folder, *names):
    """Runs the archive's own run.py as docs/predict.md says."""
    with zipfile.ZipFile(artifact) as archive:
        archive.extract("run.py", folder)
    drop = ("PYTHONPATH", "XLA_FLAGS")
    return subprocess.run(
        [sys.executable, "-I", "-c", RUNNER, "run.py", str(artifact), *names],
        cwd=folder,
        env={k: v for k, v in os.environ.items() if k not in drop},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


@functools.cache
def _jit_forward(network):
    return jax.jit(lambda v, x: network.apply(v, x, False))


def forward(network, image):
    """Logits [H, W, K] of one image by the bare network."""
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    x = np.float32((image / 255 - mean) / std)[None]
    variables = golden.random_variables(network)
    return np.asarray(_jit_forward(network)(variables, x)[0])


def test_it_says_what_it_holds(artifact):
    with zipfile.ZipFile(artifact) as archive:
        assert archive.testzip() is None
        contents = {
            name: json.loads(archive.read(name))
            for name in archive.namelist()
            if name.endswith(".json")
        }
        model = archive.read("model.bin")
    assert contents["class_names.json"] == list(NAMES)
    assert contents["palette.json"] == [list(c) for c in PALETTE]
    about = contents["preprocessing.json"]
    assert (about["height"], about["width"]) == (48, 64)
    assert about["channels"] == 3
    assert about["mean"] == [0.485, 0.456, 0.406]
    assert about["std"] == [0.229, 0.224, 0.225]
    exported = jax.export.deserialize(bytearray(model))
    assert exported.platforms == ("cpu", "cuda", "rocm", "tpu")
    images, sizes = exported.in_avals
    assert str(images.shape[0]) == "b"
    assert images.shape[1:] == (48, 64, 3)
    assert sizes.shape[1:] == (2,)
