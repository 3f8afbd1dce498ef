"""Checks a config against the table of fields."""

from collections.abc import Iterator, Mapping
from typing import Any

from ipixmatch_jax.configuration.fields import (
    FIELDS,
    find_field,
    get_value,
)


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The fields of a nested config by their paths, such as "train.steps"."""
    return dict(_walk(config, prefix))


def _walk(config: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in config.items():
        if hasattr(value, "items"):
            yield from _walk(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def check_names_and_types(config: Mapping[str, Any]) -> None:
    """Compares a config with the table, whoever built it.

    Raises:
      ValueError: a field is unknown, missing or of another type.
    """
    for path, value in flatten(config).items():
        find_field(path).check_type(value)
    for path in FIELDS:
        get_value(config, path)


def check_values(
    config: Mapping[str, Any], members: Mapping[str, tuple[str, ...]]
) -> None:
    """Checks every field's type, choices and range.

    Args:
      config: of a run.
      members: the allowed values of the fields that name a member of a
        registry, by field.

    Raises:
      ValueError: one sentence on the first field that does not fit.
    """
    for path, field in FIELDS.items():
        field.check_value(get_value(config, path), members.get(path))
