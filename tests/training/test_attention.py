"""The program that `model.attention` takes on a run's devices."""

from types import SimpleNamespace

import numpy as np
import pytest

from configs import shapes as shapes_config
from ipixmatch_jax.distributed.mesh import make_mesh
from ipixmatch_jax.experiment.network import build_network
from ipixmatch_jax.training.attention import choose_attention

CUDA = "PJRT C API\ncuda 13000"


def devices(platform, version="", capability="", fsdp=1):
    device = SimpleNamespace(
        platform=platform,
        client=SimpleNamespace(platform_version=version),
        compute_capability=capability,
    )
    shape = {"data": 1, "fsdp": fsdp}
    return SimpleNamespace(devices=np.array([device]), shape=shape)


H200 = devices("gpu", CUDA, "9.0")


def choose(mesh, attention="auto", precision="bf16"):
    config = shapes_config.get_config("dinov2tiny_1_16")
    config.model.attention, config.precision = attention, precision
    return choose_attention(config, mesh)


@pytest.mark.parametrize("capability", ["8.0", "9.0", "12.1"])
def test_auto_is_the_fused_kernel_on_nvidia_gpus_from_a100_on(capability):
    assert choose(devices("gpu", CUDA, capability)) == "cudnn"


@pytest.mark.parametrize(
    "mesh",
    [
        devices("gpu", CUDA, "7.5"),
        devices("gpu", CUDA, "9.0", fsdp=2),
        devices("gpu", "PJRT C API\nrocm 60300", "gfx942"),
        devices("tpu", "TFRT TPU v5 lite"),
    ],
    ids=["T4", "fsdp", "AMD", "TPU"],
)
def test_elsewhere_auto_is_xla(mesh):
    assert choose(mesh) == "xla"


def test_auto_is_xla_on_a_cpu():
    assert choose(make_mesh(1, 1)) == "xla"


def test_auto_is_xla_in_float32_which_the_fused_kernel_lacks():
    assert choose(H200, precision="f32") == "xla"


def test_a_name_is_taken_as_it_is():
    assert choose(H200, attention="xla") == "xla"
    assert choose(devices("gpu", CUDA, "7.5"), attention="cudnn") == "cudnn"


def test_cudnn_is_refused_where_there_is_no_gpu():
    with pytest.raises(ValueError, match="of kind tpu: set it to auto"):
        choose(devices("tpu"), attention="cudnn")


def test_a_config_with_auto_describes_a_network_for_every_device():
    config = shapes_config.get_config("dinov2tiny_1_16")
    config.model.num_classes = 4
    assert config.model.attention == "auto"
    assert build_network(config).backbone.attention == "xla"
