"""A run's config.json: written when the run begins, read by every command."""

import pathlib
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict, FrozenConfigDict

from ipixmatch_jax.configuration.base import base
from ipixmatch_jax.configuration.check import flatten
from ipixmatch_jax.configuration.fields import FIELDS, get_value
from ipixmatch_jax.utils.atomic import write_json
from ipixmatch_jax.utils.json_files import read_json_object

FILE = "config.json"
_WAY_OUT = (
    "put back the file that the run wrote, or remove it, and the command that "
    "trained writes it again"
)


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
      ValueError: it is not the JSON of a config; the file is named.
    """
    path = workdir / FILE
    if not path.exists():
        runs = sorted(workdir.glob(f"*/{FILE}"))
        way_out = "start one with `ipixmatch train`."
        if runs:
            way_out = f"it holds runs, such as {runs[0].parent}."
        raise FileNotFoundError(
            f"{path} is missing: {workdir} is not the --workdir of a run; "
            f"{way_out}"
        )
    fields = read_json_object(path, _WAY_OUT)
    try:
        return complete_config(fields, root)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def complete_config(
    fields: Mapping[str, Any], root: str | None = None
) -> FrozenConfigDict:
    """The config of a run, from the nested fields that the run wrote.

    Args:
      fields: those that existed when the run began.
      root: the data set's folder, where it is not where it was.

    Raises:
      ValueError: a field has another type than it should.
    """
    complete = base().to_dict()
    for name, value in fields.items():
        if not isinstance(complete.get(name), dict):
            complete[name] = value
        elif isinstance(value, dict):
            complete[name] |= value
        else:
            raise ValueError(f"{name} is {value!r} instead of fields.")
    if root is not None:
        complete["data"]["root"] = root
    for path, field in FIELDS.items():
        field.check_type(get_value(complete, path))
    return FrozenConfigDict(complete)


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
