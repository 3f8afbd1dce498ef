"""Opens the data set that a config names."""

from typing import Any

from ml_collections import ConfigDict

from ipixmatch_jax.data import registry


def open_arguments(config: ConfigDict) -> dict[str, Any]:
    """The fields on which the opened data set depends, by name."""
    options = registry.options(config.data.name)
    names = ("name", "root", "splits_dir", "split", *options)
    return {name: config.data[name] for name in names}


def open_data(config: ConfigDict) -> registry.DataSet:
    """The data set that a config names; that its files exist is checked.

    Raises:
      ValueError, FileNotFoundError: one sentence on what does not fit.
    """
    return registry.open_data(**open_arguments(config))


def check_classes(config: ConfigDict, data: registry.DataSet) -> None:
    """Raises ValueError unless a config and its data set agree on classes."""
    asked, there = config.model.num_classes, len(data.class_names)
    if asked not in (0, there):
        raise ValueError(
            f"config.model.num_classes={asked}, but {config.data.name} has "
            f"{there} classes."
        )
