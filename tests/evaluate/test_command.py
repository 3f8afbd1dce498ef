"""Scoring a file of weights without a workdir."""

import subprocess
import sys

import jax
import numpy as np
import pytest
from safetensors.numpy import save_file

from ipixmatch_jax.configs import shapes as shapes_config
from ipixmatch_jax.data.datasets import shapes
from ipixmatch_jax.evaluate import __main__ as evaluate_command
from ipixmatch_jax.experiment import score
from ipixmatch_jax.models import registry as model_registry
from ipixmatch_jax.models.weights import torch_names
from tests import fork_server, golden
from tests.tiny_run import few_scenes

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _few_scenes(monkeypatch):
    few_scenes(monkeypatch)


@pytest.fixture(scope="module")
def network():
    return model_registry.build("tiny", 6, stem="7x7")


@pytest.fixture(scope="module")
def weights(network, tmp_path_factory):
    """A file of random weights with the names of a distributed PyTorch run."""
    path = tmp_path_factory.mktemp("weights") / "best.safetensors"
    tensors = torch_names.to_torch_names(golden.random_variables(network))
    save_file(
        {f"module.{k}": np.ascontiguousarray(v) for k, v in tensors.items()},
        path,
    )
    return path


def config():
    c = shapes_config.get_config()
    c.model.stem = "7x7"
    c.mesh.data = 1
    return c


def _mean_iou(network, source):
    """Mean IoU in percent, computed one image at a time in NumPy."""
    variables = golden.random_variables(network)
    forward = jax.jit(lambda v, x: network.apply(v, x[None], False)[0])
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    hits, both = np.zeros(6), np.zeros(6)
    for i in range(len(source)):
        image, mask = (np.asarray(part) for part in source[i])
        x = np.float32((image / 255 - mean) / std)
        logits = forward(variables, x)
        guess = np.where(mask == 255, 255, np.asarray(logits).argmax(-1))
        for k in range(6):
            hits[k] += ((guess == k) & (mask == k)).sum()
            both[k] += ((guess == k) | (mask == k)).sum()
    return 100 * np.mean(hits / np.maximum(both, 1))


def test_the_table_has_the_scores_of_the_file(network, weights):
    table = score.evaluate_weights(config(), str(weights))
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in table.splitlines()
    ]
    data = shapes.open_set("", "", "1_16")
    assert rows[0] == ["IoU in %", "weights, val", "weights, test"]
    assert rows[2][0] == "mean (mIoU)"
    for miou, source in zip(rows[2][1:], (data.val, data.test), strict=True):
        assert abs(float(miou) - _mean_iou(network, source)) < 0.06


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("model.stem", "deep", "set --config.model.stem=7x7"),
        ("model.num_classes", 7, "shapes has 6 classes"),
        ("evaluate.mode", "whole", "is unknown; it is one of original"),
    ],
)
def test_a_config_that_does_not_fit_the_file_is_refused(
    weights, field, value, words
):
    changed = config()
    changed.update_from_flattened_dict({field: value})
    with pytest.raises(ValueError, match=words):
        score.evaluate_weights(changed, str(weights))


def command(*arguments):
    return subprocess.run(
        [*fork_server.python(), "-m", "ipixmatch_jax.evaluate", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("fields", "code", "words"),
    [
        ([], 1, "set --config.model.stem=7x7"),
        (["--config.model.stemm=7x7"], 2, "stemm"),
        (["--config.model.stem=7x7", "--root=no", "more"], 2, "more"),
    ],
)
def test_the_command_says_what_is_wrong_in_one_line(
    weights, fields, code, words
):
    arguments = ["--config=configs/shapes.py", f"--weights={weights}"]
    result = command(*arguments, *fields)
    assert result.returncode == code
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("python -m ipixmatch_jax.evaluate: ")
    assert words in line


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--workdir=a", "--weights=b"],
        ["--weights=b"],
        ["--workdir=a", "--config=configs/shapes.py"],
    ],
)
def test_the_command_needs_either_a_workdir_or_weights(
    arguments, monkeypatch, capsys
):
    monkeypatch.setattr(sys, "argv", ["evaluate", *arguments])
    with pytest.raises(SystemExit) as end:
        evaluate_command.run()
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("python -m ipixmatch_jax.evaluate: ")
    assert line.endswith("; --help shows all options.")
