"""Every field of a config: the one table that the others are made from.

common.base(), the checks of values, the flags, docs/config_reference.md and
the key of a sweep's compiled programs follow from it. docs/sources.md says
which systems the sources in brackets are.
"""

import difflib
from collections.abc import Mapping
from typing import Any, NamedTuple

from ipixmatch_jax.configuration import data_fields, training_fields
from ipixmatch_jax.configuration.field import Field


class Section(NamedTuple):
    """Fields that belong together.

    Attributes:
      name: such as "train"; "" for the fields at the top.
      note: on all of them, or "".
      fields: in the order of the reference.
    """

    name: str
    note: str
    fields: tuple[Field, ...]


SECTIONS = (
    Section("", "", training_fields.RUN),
    Section("train", "", training_fields.TRAIN),
    Section("data", "", data_fields.DATA),
    Section("model", "", data_fields.MODEL),
    Section("pseudo_label", "", training_fields.PSEUDO_LABEL),
    Section("loss", "", training_fields.LOSS),
    Section(
        "inter_pixel",
        training_fields.INTER_PIXEL_NOTE,
        training_fields.INTER_PIXEL,
    ),
    Section("ema", "", training_fields.EMA),
    Section("evaluate", "", training_fields.EVALUATE),
    Section("mesh", "", training_fields.MESH),
)
FIELDS = {field.path: field for s in SECTIONS for field in s.fields}
# Where two fields share a name the later one is suggested.
_LAST_NAMES = {path.rpartition(".")[2]: path for path in FIELDS}


def suggest_field(name: str) -> str:
    """ " Did you mean ...?" for a wrong field name; "" if nothing is near."""
    near = find_nearest(name)
    return near and f" Did you mean config.{near}?"


def find_nearest(name: str) -> str:
    """The field or section nearest to a wrong name; "" if nothing is near."""
    last = name.rpartition(".")[2]
    sections = [section.name for section in SECTIONS]
    near = (
        difflib.get_close_matches(name, [*FIELDS, *sections], 1, 0.75)
        or difflib.get_close_matches(last, _LAST_NAMES, 1)
        or [""]
    )[0]
    return _LAST_NAMES.get(near, near)


def find_field(path: str) -> Field:
    """The field of a path such as "train.steps".

    Raises:
      ValueError: there is none; one sentence with the nearest name.
    """
    if path in FIELDS:
        return FIELDS[path]
    names = [section.name for section in SECTIONS]
    if path in names[1:]:
        inside = [p for p in FIELDS if p.startswith(f"{path}.")]
        raise ValueError(
            f"config.{path} is a section; name one of its fields: "
            f"{', '.join(inside)}."
        )
    raise ValueError(
        f"There is no field config.{path}.{suggest_field(path)} "
        "`ipixmatch fields` lists all of them."
    )


def get_value(config: Mapping[str, Any], path: str) -> Any:
    """The value of a field such as "train.steps".

    Raises:
      ValueError: the config lacks the field.
    """
    value = config
    for name in path.split("."):
        if name not in value:
            raise ValueError(
                f"This config lacks the field config.{path}: start from "
                "common.base(), which has every field."
            )
        value = value[name]
    return value
