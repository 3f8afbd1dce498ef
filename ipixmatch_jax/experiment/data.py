"""Opens the data set that a config names."""

from typing import Any

from ml_collections import ConfigDict, FrozenConfigDict

from ipixmatch_jax.data import registry, value_range


def open_arguments(config: ConfigDict) -> dict[str, Any]:
    """The fields on which the opened data set depends, by name."""
    options = registry.options(config.data.name)
    names = ("name", "root", "splits_dir", "split", *options)
    return {name: config.data[name] for name in names}


def keep_range(
    config: ConfigDict, earlier: FrozenConfigDict | None
) -> ConfigDict:
    """Copies into a config the data.range that its earlier run measured.

    Images may have been added since, but the networks learnt with that range.
    """
    measured = value_range.parse_range(config.data.range) is None
    if earlier is None or not measured or config.data.range == value_range.TYPE:
        return config
    copy = ConfigDict(config.to_dict())
    copy.data.range = earlier.data.range
    return copy


def open_data(config: ConfigDict) -> registry.DataSet:
    """Opens the data set that a config names, and checks that its files exist.

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
