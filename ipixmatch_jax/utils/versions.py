"""The software versions and devices that a run's numbers came from."""

import importlib.metadata
import pathlib
import platform
import tomllib

import jax

_PACKAGES = (
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "orbax-checkpoint",
    "grain",
    "numpy",
    "pillow",
)


def made_with() -> dict[str, str]:
    """Versions by package, Python's, and the devices of all processes."""
    kinds = sorted({device.device_kind for device in jax.devices()})
    return {
        "devices": f"{jax.device_count()} x {', '.join(kinds)}",
        "processes": str(jax.process_count()),
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in _PACKAGES},
    }


def own_version() -> str:
    """The version of this package, installed or in a checkout."""
    name = __name__.partition(".")[0]
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        file = pathlib.Path(__file__).parents[2] / "pyproject.toml"
        return str(tomllib.loads(file.read_text("utf-8"))["project"]["version"])
