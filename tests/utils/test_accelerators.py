"""Accelerators that jax does not use, and what is said of them."""

import importlib.metadata

import jax
import pytest

from ipixmatch_jax.utils import accelerators

COMMAND = f'pip install "jax[cuda12]=={jax.__version__}"'


def machine(root, *files):
    (root / "dev").mkdir(parents=True)
    for name in files:
        (root / "dev" / name).touch()
    return root


def found(root, installed=(), **environment):
    return accelerators.find_unsupported(
        root, environment, lambda name: name in installed or None
    )


def test_a_gpu_without_the_extra_is_found(tmp_path):
    root = machine(tmp_path, "nvidia0", "nvidiactl")
    assert found(root) == ("an NVIDIA GPU", COMMAND)
    assert found(root, installed=["jax_cuda13_plugin"]) is None
    assert found(root, JAX_PLATFORMS="cpu") is None


def test_the_extras_are_those_of_jax():
    offered = importlib.metadata.metadata("jax").get_all("Provides-Extra")
    assert set(accelerators._EXTRAS.values()) <= set(offered)


def test_other_machines(tmp_path):
    assert found(machine(tmp_path / "plain", "null", "nvidiactl")) is None
    name, command = found(machine(tmp_path / "tpu", "accel0"))
    assert name == "a TPU" and '"jax[tpu]==' in command
    name, command = found(machine(tmp_path / "amd", "kfd"))
    assert name == "an AMD GPU" and '"jax[rocm7-local]==' in command


@pytest.mark.parametrize(
    ("platform", "way"),
    [("cuda", COMMAND), ("tpu", '"jax[tpu]=='), ("gibberish", "unset JAX")],
)
def test_a_platform_that_cannot_start(platform, way, monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", platform)
    error = RuntimeError(
        f"Unable to initialize backend '{platform}': Backend '{platform}' is "
        "not in the list of known backends:\n dict_keys(['cpu'])."
    )
    sentence = accelerators.explain_backend(error)
    assert sentence.startswith(f"JAX_PLATFORMS={platform} asks for")
    assert way in sentence and "\n" not in sentence


@pytest.mark.parametrize("platform", ["cuda", "gpu", "cuda,cpu", "tpu"])
def test_a_platform_without_its_extra_is_refused(platform):
    given = {"JAX_PLATFORMS": platform}
    with pytest.raises(ValueError, match="is not installed: pip install"):
        accelerators.check_platforms(given, lambda _: None)
    accelerators.check_platforms(given, lambda _: object())


@pytest.mark.parametrize("platform", [None, "", "cpu", "mine"])
def test_other_platforms_are_left_to_jax(platform):
    given = {} if platform is None else {"JAX_PLATFORMS": platform}
    accelerators.check_platforms(given, lambda _: None)


def test_other_errors_are_left_alone():
    assert accelerators.explain_backend(RuntimeError("no memory")) is None
