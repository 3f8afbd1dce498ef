"""IPixMatch: semi-supervised semantic segmentation in JAX.

import ipixmatch_jax as ipx

docs/api.md explains the names. They are imported when they are first used, so
that importing the package costs nothing; `__init__.pyi` gives their types.
"""

import importlib

__all__ = (
    "Model",
    "TrainingRun",
    "config",
    "inter_pixel_loss",
    "load",
    "train",
)


def __getattr__(name: str):
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.api"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
