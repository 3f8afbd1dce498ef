"""Takes out of a run's files what tells of the machine it ran on."""

import pathlib
from collections.abc import Mapping
from typing import Any

from ipixmatch_jax.configuration.fields import FIELDS
from ipixmatch_jax.models.weights.load import parse_hub_name

# Folders of the user, which a published model does without.
_FOLDERS = ("data.root", "data.splits_dir")
# What results.json holds besides the paths of the run's files.
_RESULTS = ("best", "last", "class_names", "made_with")


def strip_config(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A run's nested fields without paths of the machine.

    Folders get their defaults. A file is reduced to its name, while a name of
    the hub stays.
    """
    stripped: dict[str, Any] = {}
    for name, value in config.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping):
            stripped[name] = strip_config(value, f"{path}.")
        elif path in _FOLDERS:
            stripped[name] = FIELDS[path].default
        elif isinstance(value, str) and _is_path(path, value):
            stripped[name] = pathlib.Path(value).name
        else:
            stripped[name] = value
    return stripped


def _is_path(field: str, value: str) -> bool:
    if field == "model.pretrained":
        return parse_hub_name(value) is None
    return value.startswith(("/", "~", "./", "../"))


def strip_results(results: Mapping[str, Any]) -> dict[str, Any]:
    """A run's results without the paths of its files."""
    return {name: results[name] for name in _RESULTS if name in results}
