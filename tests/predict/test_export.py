"""The exported file, read with the example code of the documentation."""

import json
import os
import pathlib
import re
import subprocess
import sys
import zipfile

import jax
import numpy as np
import pytest

from ipixmatch_jax.data.datasets import shapes
from ipixmatch_jax.models import registry as model_registry
from ipixmatch_jax.predict import export
from tests import golden

DOC = pathlib.Path(__file__).resolve().parents[2] / "docs" / "predict.md"
NAMES = ("sky", "straße", "car")
PALETTE = ((0, 0, 0), (1, 2, 3), (255, 0, 7))
# Runs a script where our package cannot be imported.
RUNNER = """
import runpy, sys
for name in ("ipixmatch_jax", "configs", "flax", "PIL"):
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
    export.write(
        path,
        network,
        golden.random_variables(network),
        size=(48, 64),
        class_names=NAMES,
        palette=PALETTE,
    )
    assert [p.name for p in path.parent.iterdir()] == ["model.zip"]
    return path


def example():
    (lines,) = re.findall(
        r"```python\n(.*?)```", DOC.read_text(encoding="utf-8"), re.DOTALL
    )
    return lines


def test_the_example_has_about_twenty_lines():
    assert len(example().strip().splitlines()) <= 22


def test_the_example_runs_it_without_our_package(artifact, network, tmp_path):
    image = shapes.draw_scene(0, 0)[0][:33, :45]
    np.save(tmp_path / "image.npy", image)
    (tmp_path / "run_model.py").write_text(example(), encoding="utf-8")
    names = ["run_model.py", str(artifact), "image.npy", "ids.npy"]
    drop = ("PYTHONPATH", "XLA_FLAGS")
    result = subprocess.run(
        [sys.executable, "-I", "-c", RUNNER, *names],
        cwd=tmp_path,
        env={k: v for k, v in os.environ.items() if k not in drop},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    ids = np.load(tmp_path / "ids.npy")
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    x = np.float32((image / 255 - mean) / std)[None]
    variables = golden.random_variables(network)
    logits = jax.jit(lambda x: network.apply(variables, x, False))(x)[0]
    second, first = np.moveaxis(np.sort(logits, -1)[..., -2:], -1, 0)
    clear = first - second > 1e-3
    assert clear.mean() > 0.98
    np.testing.assert_array_equal(ids[clear], logits.argmax(-1)[clear])
    for k in np.unique(ids):
        assert f"{NAMES[k]}: {100 * np.mean(ids == k):.1f} %" in result.stdout


def test_the_file_describes_its_contents(artifact):
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
    assert about["mean"] == [0.485, 0.456, 0.406]
    assert about["std"] == [0.229, 0.224, 0.225]
    exported = jax.export.deserialize(bytearray(model))
    assert exported.platforms == ("cpu", "cuda", "rocm", "tpu")
    images, sizes = exported.in_avals
    assert str(images.shape[0]) == "b"
    assert images.shape[1:] == (48, 64, 3)
    assert sizes.shape[1:] == (2,)
