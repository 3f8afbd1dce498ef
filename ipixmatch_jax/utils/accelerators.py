"""Accelerators of this machine that jax does not use, and why.

Nothing here imports jax.
"""

import importlib.metadata
import importlib.util
import os
import pathlib
from collections.abc import Callable, Mapping

# What tells an accelerator: a device file of its driver.
_DEVICES = {
    "an NVIDIA GPU": ("cuda", "dev/nvidia[0-9]*"),
    "an AMD GPU": ("rocm", "dev/kfd"),
    "a TPU": ("tpu", "dev/accel[0-9]*"),
}
_EXTRAS = {
    "cuda": "cuda12",
    "gpu": "cuda12",
    "rocm": "rocm7-local",
    "tpu": "tpu",
}
_PLUGINS = {
    "cuda": ("jax_cuda12_plugin", "jax_cuda13_plugin"),
    "rocm": ("jax_rocm7_plugin",),
    "tpu": ("libtpu",),
}


def install_command(platform: str) -> str:
    """How to install jax's support of "cuda", "gpu", "rocm" or "tpu"."""
    version = importlib.metadata.version("jax")
    return f'pip install "jax[{_EXTRAS[platform]}]=={version}"'


def find_unsupported(
    root: pathlib.Path = pathlib.Path("/"),
    environment: Mapping[str, str] = os.environ,
    installed: Callable[[str], object] = importlib.util.find_spec,
) -> tuple[str, str] | None:
    """An accelerator of this machine for which jax's extra is not installed.

    Args:
      root: of the file system.
      environment: JAX_PLATFORMS=cpu keeps off accelerators on purpose.
      installed: whether a module can be imported.

    Returns:
      its name, such as "an NVIDIA GPU", and the command that installs the
      extra; None if there is no such accelerator.
    """
    if "cpu" in environment.get("JAX_PLATFORMS", ""):
        return None
    for name, (platform, pattern) in _DEVICES.items():
        lacks = not any(installed(plugin) for plugin in _PLUGINS[platform])
        if lacks and any(root.glob(pattern)):
            return name, install_command(platform)
    return None


def computes_on_cpu(
    environment: Mapping[str, str] = os.environ,
    root: pathlib.Path = pathlib.Path("/"),
    installed: Callable[[str], object] = importlib.util.find_spec,
) -> bool:
    """Whether jax will compute on the CPU, as far as can be told without it.

    Args:
      environment: JAX_PLATFORMS decides if it is set.
      root: of the file system.
      installed: whether a module can be imported.
    """
    asked = environment.get("JAX_PLATFORMS", "")
    if asked:
        return asked.split(",")[0] == "cpu"
    for platform, pattern in _DEVICES.values():
        has = any(installed(plugin) for plugin in _PLUGINS[platform])
        # Not all TPUs have a device file of that name.
        if has and (platform == "tpu" or any(root.glob(pattern))):
            return False
    return True


def check_platforms(
    environment: Mapping[str, str] = os.environ,
    installed: Callable[[str], object] = importlib.util.find_spec,
) -> None:
    """Refuses a platform of JAX_PLATFORMS whose extra is not installed.

    jax itself ends with an assertion then.

    Raises:
      ValueError: names the platform and the command that installs its extra.
    """
    asked = environment.get("JAX_PLATFORMS", "")
    for platform in filter(None, asked.split(",")):
        plugins = _PLUGINS.get("cuda" if platform == "gpu" else platform)
        if plugins and not any(installed(plugin) for plugin in plugins):
            raise ValueError(
                f"JAX_PLATFORMS={asked} asks for {platform}, and jax's extra "
                f"for it is not installed: {install_command(platform)}, or "
                "unset JAX_PLATFORMS to use what there is."
            )


def explain_backend(error: RuntimeError) -> str | None:
    """The sentence for jax's error about a platform that it cannot start.

    Returns:
      None for any other error.
    """
    words = str(error)
    if not words.startswith("Unable to initialize backend"):
        return None
    platform = words.split("'")[1] if words.count("'") > 1 else ""
    asked = os.environ.get("JAX_PLATFORMS", platform)
    if platform in _EXTRAS:
        way = f"install jax's extra with {install_command(platform)}, or "
    else:
        way = ""
    reason = " ".join(words.partition(": ")[2].split())
    return (
        f"JAX_PLATFORMS={asked} asks for a platform that jax cannot start here "
        f"({reason}): {way}unset JAX_PLATFORMS to use what there is."
    )
