"""The class list that a run was trained with, kept in its workdir."""

import logging
import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from ipixmatch_jax.data.registry import DataSet
from ipixmatch_jax.utils.atomic import write_json
from ipixmatch_jax.utils.json_files import read_json_object

FILE = "classes.json"
_WAY_OUT = (
    "put back a copy of it, or remove it, and the list of the data set is taken"
)
_SHOWN = 3  # differences in one sentence
_LOGGER = logging.getLogger(__name__)

Colour = tuple[int, int, int]


class RunClass(NamedTuple):
    """One class, or one value of masks that is left out of training.

    Attributes:
      name: for a person.
      colour: (red, green, blue) in 0..255.
      id: its value in mask files that hold ids.
    """

    name: str
    colour: Colour
    id: int


class RunClasses(NamedTuple):
    """The class list of a run.

    Attributes:
      classes: in the order of the network's outputs.
      void: what is left out of training.
    """

    classes: tuple[RunClass, ...]
    void: tuple[RunClass, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """One name per output of the network."""
        return tuple(one.name for one in self.classes)

    @property
    def palette(self) -> tuple[Colour, ...]:
        """One (red, green, blue) per output of the network."""
        return tuple(one.colour for one in self.classes)


def classes_of(data: DataSet) -> RunClasses:
    """The class list of a data set."""
    pairs = zip(data.class_names, data.palette, strict=True)
    listed = data.listed or tuple(pairs)
    every = [
        RunClass(str(name), (int(red), int(green), int(blue)), k)
        for k, (name, (red, green, blue)) in enumerate(listed)
    ]
    return RunClasses(
        tuple(c for c in every if c.name in data.class_names),
        tuple(c for c in every if c.name not in data.class_names),
    )


def write_classes(classes: RunClasses, workdir: pathlib.Path) -> None:
    """Writes a run's class list into its workdir."""
    write_json(workdir / FILE, list_classes(classes))


def list_classes(classes: RunClasses) -> dict[str, list[dict[str, Any]]]:
    """A class list as JSON holds it."""
    return {
        part: [one._asdict() for one in getattr(classes, part)]
        for part in RunClasses._fields
    }


def read_classes(workdir: pathlib.Path) -> RunClasses | None:
    """The class list of the run in a workdir; None: the run recorded none.

    Raises:
      ValueError: the file is not a class list.
    """
    path = workdir / FILE
    if not path.exists():
        return None
    lists = read_json_object(path, _WAY_OUT)
    try:
        return RunClasses(
            *(tuple(map(_parse, lists[part])) for part in RunClasses._fields)
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is not the class list that the run wrote ({error!r}): "
            f"{_WAY_OUT}."
        ) from error


def _parse(one: Mapping[str, Any]) -> RunClass:
    """One entry of the file; raises ValueError, KeyError or TypeError."""
    red, green, blue = one["colour"]
    numbers = (red, green, blue, one["id"])
    if any(type(number) is not int for number in numbers):
        raise ValueError(f"{one} has numbers that are not whole")
    if not all(0 <= level <= 255 for level in numbers[:3]):
        raise ValueError(f"{one} has a colour outside 0 to 255")
    return RunClass(str(one["name"]), (red, green, blue), one["id"])


def check_same_classes(
    recorded: RunClasses | None, data: DataSet, workdir: pathlib.Path
) -> RunClasses:
    """Checks a data set's class list against the one that a run recorded.

    Args:
      recorded: of the run; None: it recorded none.
      data: the open data set.
      workdir: of the run, for the message.

    Returns:
      the run's list; if the run recorded none, the data set's, which is logged.

    Raises:
      ValueError: the lists differ; the first differences are named.
    """
    there = classes_of(data)
    if recorded is None:
        _LOGGER.warning(
            "An older version wrote %s without a class list: the data set's "
            "is taken (%s).",
            workdir,
            ", ".join(there.names),
        )
        return there
    found = list(_differences(recorded, there))
    if found:
        more = "; ..." if len(found) > _SHOWN else ""
        raise ValueError(
            f"The data set's class list is not the one that {workdir} was "
            f"trained with: {'; '.join(found[:_SHOWN])}{more}. Put the old "
            "list back, or train a new run in another --workdir."
        )
    return recorded


def _differences(run: RunClasses, data: RunClasses):
    """Words on each difference, in the order of the classes."""
    for what, theirs, ours in (
        ("class", run.classes, data.classes),
        ("left out class", run.void, data.void),
    ):
        for k in range(max(len(theirs), len(ours))):
            old = theirs[k] if k < len(theirs) else None
            new = ours[k] if k < len(ours) else None
            if old != new:
                yield (
                    f"{what} {k} is {_describe(old)} in the run and "
                    f"{_describe(new)} in the data"
                )


def _describe(one: RunClass | None) -> str:
    if one is None:
        return "missing"
    colour = " ".join(map(str, one.colour))
    return f"{one.name!r} ({colour}, id {one.id})"
