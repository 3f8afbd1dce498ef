"""Runs docs/deployment.md as written, on a run of untrained networks."""

import os
import pathlib
import re
import shlex
import subprocess
import sys

import jax
import numpy as np
import pytest
from PIL import Image

from ipixmatch_jax.checkpoints.manager import Checkpoints, Saved
from ipixmatch_jax.configs import shapes as shapes_config
from ipixmatch_jax.configuration import saved
from ipixmatch_jax.experiment.class_list import classes_of, write_classes
from ipixmatch_jax.experiment.data import open_data
from ipixmatch_jax.models import registry as model_registry
from tests import fork_server, golden, xla_flags
from tests.docs import photos

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs/deployment.md").read_text("utf-8")
SECTIONS = {
    title: re.findall(r"^```(bash|python)\n(.*?)^```$", body, re.S | re.M)
    for title, body in re.findall(
        r"^## (.*?)\n(.*?)(?=^## |\Z)", TEXT, re.S | re.M
    )
}


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A folder with a run, an image and the program `ipixmatch`."""
    work = tmp_path_factory.mktemp("work")
    run = work / "runs/mine"
    run.mkdir(parents=True)
    config = shapes_config.get_config()
    saved.save_config(config, run)
    write_classes(classes_of(open_data(config)), run)
    variables = golden.random_variables(model_registry.build("tiny", 6))
    variables = jax.tree.map(jax.numpy.asarray, variables)
    trees = {"student": variables, "teacher": variables}
    with Checkpoints(run) as checkpoints:
        best = Saved(70.0, 3, "teacher")
        checkpoints.save(3, trees, best, config.to_dict(), 70.0)
    photos.photograph(0)[0].save(work / "image.jpg")
    script = work / "ipixmatch"
    start = "from ipixmatch_jax.command import main; main()"
    python = shlex.join(fork_server.python())
    script.write_text(f'#!/bin/sh\nexec {python} -c "{start}" "$@"\n')
    script.chmod(0o755)
    return work


def follow(section, work):
    """What the commands and programs of a section print."""
    environment = {
        **os.environ,
        "PATH": f"{work}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
        "XLA_FLAGS": xla_flags.QUICK,
    }
    printed = []
    for kind, code in SECTIONS[section]:
        start = fork_server.python() if kind == "python" else ("bash", "-e")
        done = subprocess.run(
            [*start, "-c", code],
            cwd=work,
            env=environment,
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )
        assert done.returncode == 0, f"{code}\n{done.stdout}{done.stderr}"
        printed.append(done.stdout)
    return printed


def test_onnx(work):
    for package in ("jax2onnx", "onnx", "onnxruntime"):
        pytest.importorskip(package)
    exported, predicted = follow("ONNX", work)
    assert exported.startswith("model.onnx: the teacher after 3 steps, for ")
    assert "% of the pixels" in predicted
    with Image.open(work / "labels.png") as labels:
        assert labels.size == (96, 64)
        assert np.asarray(labels).max() < 6


def test_the_hub(work):
    pytest.importorskip("huggingface_hub")
    written, predicted = follow("The Hugging Face hub", work)
    assert written.endswith("nothing was uploaded.\n")
    assert predicted.startswith("pulled: the teacher after 3 steps\n")
    card = (work / "runs/mine/hub/README.md").read_text("utf-8")
    assert card.startswith("---\n") and "# OWNER/NAME" in card
    assert (work / "predicted/predictions/image.png").exists()


def test_one_file_for_jax(work):
    (exported,) = follow("One file for JAX", work)
    assert exported.startswith("model.zip: the teacher after 3 steps")
