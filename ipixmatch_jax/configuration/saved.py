"""A run's config.json: written when the run begins, read by every command."""

import json
import pathlib
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict, FrozenConfigDict

from ipixmatch_jax.configuration.base import base
from ipixmatch_jax.configuration.check import flatten
from ipixmatch_jax.configuration.fields import FIELDS
from ipixmatch_jax.utils.atomic import write_json

FILE = "config.json"


def save_config(config: ConfigDict, workdir: pathlib.Path) -> None:
    """Writes a resolved config into a workdir as JSON."""
    write_json(workdir / FILE, config.to_dict())


def load_config(
    workdir: pathlib.Path, root: str | None = None
) -> FrozenConfigDict:
    """The config of the run in a workdir.

    Fields that did not exist when the run began get their defaults, which keep
    what the run did.

    Args:
      workdir: of the run.
      root: the data set's folder, where it is not where it was.

    Raises:
      FileNotFoundError: there is no config.json.
      ValueError: it is not the JSON of a config.
    """
    path = workdir / FILE
    if not path.exists():
        raise FileNotFoundError(
            f"{path} is missing: {workdir} is not the --workdir of a run; "
            "start one with `ipixmatch train`."
        )
    return complete_config(_read_object(path), root)


def complete_config(
    fields: Mapping[str, Any], root: str | None = None
) -> FrozenConfigDict:
    """The config of a run, from the nested fields that the run wrote.

    Args:
      fields: those that existed when the run began.
      root: the data set's folder, where it is not where it was.
    """
    complete = base().to_dict()
    for name, value in fields.items():
        if isinstance(complete.get(name), dict) and isinstance(value, dict):
            complete[name] |= value
        else:
            complete[name] = value
    if root is not None:
        complete["data"]["root"] = root
    return FrozenConfigDict(complete)


def _read_object(path: pathlib.Path) -> dict[str, Any]:
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(
            f"{path} is not whole ({error}): remove it, and the command that "
            "trained writes it again."
        ) from error
    if not isinstance(fields, dict):
        raise ValueError(
            f"{path} holds no fields of a config: put back the file that the "
            "run wrote."
        )
    return fields


def load_earlier(workdir: pathlib.Path) -> FrozenConfigDict | None:
    """The config of the run in a workdir; None if there is no run."""
    return load_config(workdir) if (workdir / FILE).exists() else None


def differences(
    then: Mapping[str, Any], now: Mapping[str, Any]
) -> dict[str, tuple[Any, Any]]:
    """The fields whose values differ: (then, now), None where there is none.

    A field that `now` leaves to the data set or the devices does not differ.
    """
    old, new = flatten(then), flatten(now)
    return {
        path: (old.get(path), new.get(path))
        for path in sorted(old.keys() | new.keys())
        if old.get(path) != new.get(path) and not is_open(path, new.get(path))
    }


def is_open(path: str, value: Any) -> bool:
    """Whether a value leaves its field to the data set or the devices."""
    field = FIELDS.get(path)
    left_open = None if field is None else field.left_open
    return left_open is not None and value == left_open
