"""The five lines at the start of a run."""

import types

import jax
import pytest

from ipixmatch_jax.configs import shapes as shapes_config
from ipixmatch_jax.distributed import mesh
from ipixmatch_jax.experiment.data import open_data
from ipixmatch_jax.experiment.network import build_network
from ipixmatch_jax.training import run_header


@pytest.fixture(scope="module")
def run():
    config = shapes_config.get_config("tiny_1_16,method=unimatch")
    config.model.num_classes = 6
    parts = types.SimpleNamespace(
        data=open_data(config),
        mesh=mesh.make_mesh(4, 2),
        network=build_network(config),
    )
    return config, parts


def test_the_lines_say_what_the_run_is(run, tmp_path, monkeypatch):
    config, parts = run
    monkeypatch.setattr(run_header, "find_unsupported", lambda: None)
    lines = run_header.describe(config, parts, tmp_path)
    assert [line.partition(":")[0] for line in lines] == [
        "Devices",
        "Method",
        "Data",
        "Steps",
        "Workdir",
    ]
    devices, method, data, steps, workdir = lines
    assert devices == "Devices: 8 x cpu"
    assert method.startswith(
        "Method: unimatch with an averaged teacher, inter-pixel loss "
    )
    assert "; network: tiny with deeplabv3plus, " in method
    assert " M parameters, " in method and " GFLOPs a crop" in method
    count = f"{len(parts.data.labelled):,} labelled"
    assert data.startswith("Data: shapes 1_16") and count in data
    assert data.endswith("images, 6 classes")
    side, batch = config.data.crop_size, config.train.batch_size
    assert f"{batch} labelled + {batch} unlabelled" in steps
    assert f"crops of {side}x{side} pixels" in steps
    assert f"{config.train.steps:,} of" in steps
    assert workdir == f"Workdir: {tmp_path}"


def test_an_idle_gpu_is_told_with_the_command(run, tmp_path, monkeypatch):
    config, parts = run
    idle = "an NVIDIA GPU", 'pip install "jax[cuda12]"'
    monkeypatch.setattr(run_header, "find_unsupported", lambda: idle)
    monkeypatch.setattr(run_header, "_network", lambda *_: "")
    part = mesh.make_mesh(2, 1, jax.devices()[:2])
    parts = types.SimpleNamespace(**vars(parts) | {"mesh": part})
    devices = run_header.describe(config, parts, tmp_path)[0]
    assert devices == (
        "Devices: 2 x cpu; 6 more are not used, see mesh.data; an NVIDIA GPU "
        'is idle for want of jax\'s extra: pip install "jax[cuda12]"'
    )
