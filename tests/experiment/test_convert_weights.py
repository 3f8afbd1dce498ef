"""Conversion and export: the files written, and an exact round trip."""

import subprocess
import warnings

import jax
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from ipixmatch_jax.checkpoints.manager import Checkpoints, Saved
from ipixmatch_jax.configs import shapes as shapes_config
from ipixmatch_jax.configuration import saved
from ipixmatch_jax.experiment import convert_weights as weights
from ipixmatch_jax.models import registry as model_registry
from ipixmatch_jax.models.weights import (
    load,
    torch_names,
    unimatch_v2_names,
)
from tests import fork_server, golden

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tiny():
    return golden.random_variables(model_registry.build("tiny", 6))


@pytest.fixture(scope="module")
def workdir(tiny, tmp_path_factory):
    """A workdir made by hand: three steps, the teacher scored best."""
    path = tmp_path_factory.mktemp("run")
    config = shapes_config.get_config()
    saved.save_config(config, path)
    teacher = golden.random_variables(model_registry.build("tiny", 6), seed=1)
    trees = {"student": tiny, "teacher": teacher}
    best = Saved(70.0, 3, "teacher")
    with Checkpoints(path) as checkpoints:
        trees = jax.tree.map(jax.numpy.asarray, trees)
        checkpoints.save(3, trees, best, config.to_dict(), 70.0)
    return path


def _reference(variables):
    tensors = torch_names.to_torch_names(variables)
    return {k: np.ascontiguousarray(v) for k, v in tensors.items()}


def same(tensors, expected):
    assert set(tensors) == set(expected)
    for name, value in expected.items():
        assert tensors[name].dtype == np.float32
        np.testing.assert_array_equal(tensors[name], value)


def test_a_pytorch_checkpoint_becomes_float32_under_our_names(tiny, tmp_path):
    source, to = tmp_path / "in.safetensors", tmp_path / "out.safetensors"
    halves = {k: v.astype(np.float16) for k, v in _reference(tiny).items()}
    save_file({f"module.{k}": v for k, v in halves.items()}, source)
    said = weights.convert_weights(str(source), to)
    assert "tiny with stem deep, a whole network of 6 classes" in said
    same(load_file(to), halves)


def test_a_backbone_may_lack_the_allowed_tensors(tiny, tmp_path):
    source, to = tmp_path / "in.safetensors", tmp_path / "out.safetensors"
    tensors = {
        name: value
        for name, value in _reference(tiny).items()
        if name.startswith("backbone.")
        and not name.startswith("backbone.layer4")
    }
    save_file(
        {k.removeprefix("backbone."): v for k, v in tensors.items()}, source
    )
    with pytest.raises(ValueError, match=r"missing: backbone\.layer4"):
        weights.convert_weights(str(source), to)
    assert not to.exists()
    assert "a backbone" in weights.convert_weights(str(source), to, ("layer4",))
    same(load_file(to), tensors)


def test_a_real_file_is_converted_if_layer4_may_be_missing(reference, tmp_path):
    name = "weights/resnet50_imagenet_to_layer3.safetensors"
    source, to = reference.parent / name, tmp_path / "out.safetensors"
    if not source.exists():
        pytest.skip("the ImageNet weights are not beside this checkout")
    with pytest.raises(ValueError, match=r"layer4\.0\.conv2.*and 35 more"):
        weights.convert_weights(str(source), to)
    said = weights.convert_weights(str(source), to, ("layer4",))
    assert "r50 with stem 7x7, a backbone, 220 tensors" in said
    with safe_open(source, "numpy") as theirs, safe_open(to, "numpy") as ours:
        for name in ("conv1.weight", "layer2.3.bn3.running_var"):
            np.testing.assert_array_equal(
                ours.get_tensor(f"backbone.{name}"),
                np.float32(theirs.get_tensor(name)),
            )


def test_a_resnet_with_a_dpt_head_is_read_back(tmp_path):
    source, to = tmp_path / "in.safetensors", tmp_path / "out.safetensors"
    variables = golden.random_variables(
        model_registry.build("tiny", 6, head="dpt")
    )
    tensors = unimatch_v2_names.to_v2_names(variables)
    save_file(
        {f"module.{k}": np.ascontiguousarray(v) for k, v in tensors.items()},
        source,
    )
    said = weights.convert_weights(str(source), to)
    assert "tiny with stem deep, a whole network of 6 classes" in said
    same(load_file(to), tensors)
    back = load.load_weights(to, golden.zeros(variables), whole=True)
    jax.tree.map(np.testing.assert_array_equal, back, variables)
    other = golden.zeros(golden.shapes(model_registry.build("tiny", 6)))
    with pytest.raises(ValueError, match=r"set --config\.model\.head=dpt"):
        load.load_weights(to, other)


@pytest.mark.parametrize(
    ("network", "seed"), [(None, 1), ("teacher", 1), ("student", 0)]
)
def test_export_and_import_of_a_run_are_exact(workdir, tmp_path, network, seed):
    to = tmp_path / "out.safetensors"
    said = weights.export_weights(str(workdir), to, network=network)
    assert f"the {network or 'teacher'} after 3 steps" in said
    variables = golden.random_variables(
        model_registry.build("tiny", 6), seed=seed
    )
    written = load_file(to)
    counters = [name for name in written if name.endswith("_tracked")]
    assert len(counters) == sum("running_mean" in name for name in written)
    assert {written.pop(name).item() for name in counters} == {0}
    same(written, _reference(variables))
    back = load.load_weights(to, golden.zeros(variables), whole=True)
    jax.tree.map(np.testing.assert_array_equal, back, variables)
    again = tmp_path / "again.safetensors"
    weights.export_weights(str(to), again)
    assert again.read_bytes() == to.read_bytes()


def test_torch_reads_the_exported_file(workdir, tiny, tmp_path):
    with warnings.catch_warnings(action="ignore"):
        torch = pytest.importorskip("torch", minversion="2.6")
    to = tmp_path / "out.pth"
    weights.export_weights(str(workdir), to, network="student")
    state = torch.load(to, weights_only=True)
    arrays = {k: v.numpy() for k, v in state.items() if "tracked" not in k}
    same(arrays, _reference(tiny))
    convolution = torch.nn.Conv2d(3, 16, 3, bias=False)
    convolution.load_state_dict({"weight": state["backbone.conv1.0.weight"]})
    back = load.load_weights(to, golden.zeros(tiny), whole=True)
    jax.tree.map(np.testing.assert_array_equal, back, tiny)


def test_a_missing_run_or_network_or_file_type_is_refused(workdir, tmp_path):
    to = tmp_path / "out.safetensors"
    with pytest.raises(FileNotFoundError, match="not the --workdir of a run"):
        weights.export_weights(str(tmp_path), to)
    with pytest.raises(
        ValueError, match=r"holds the networks student.*not 'second'"
    ):
        weights.export_weights(str(workdir), to, network="second")
    with pytest.raises(ValueError, match=r"use \.safetensors"):
        weights.export_weights(str(workdir), tmp_path / "out.npz")
    assert not list(tmp_path.iterdir())


def test_the_command_answers_a_mistake_in_one_line(tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes(b"<html>")
    result = subprocess.run(
        [
            *(*fork_server.python(), "-m", "ipixmatch_jax.models.pretrained"),
            "convert",
            str(path),
            "--to",
            str(tmp_path / "out.safetensors"),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 1
    (line,) = result.stderr.strip().splitlines()
    module = "python -m ipixmatch_jax.models.pretrained"
    assert line.startswith(f"{module}: {path} is neither a safetensors")
