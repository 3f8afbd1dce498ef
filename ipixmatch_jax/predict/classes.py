"""What the class ids of a run's predictions stand for."""

import pathlib
from typing import NamedTuple

from ml_collections import FrozenConfigDict

from ipixmatch_jax.data.files.class_list import voc_colour
from ipixmatch_jax.evaluate.results_table import read_results
from ipixmatch_jax.experiment.class_list import (
    check_same_classes,
    read_classes,
)
from ipixmatch_jax.experiment.restore import reopen_data


class Classes(NamedTuple):
    """The classes of a run.

    Attributes:
      names: one per id.
      palette: one (red, green, blue) in 0..255 per id.
      note: a sentence where they are not the data set's own, or "".
    """

    names: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    note: str = ""


def find_classes(config: FrozenConfigDict, workdir: pathlib.Path) -> Classes:
    """The class list that a run was trained with.

    If the data set can still be read, the lists are compared. Runs of older
    versions recorded no list and get the data set's. If that is gone, the names
    come from results.json or are numbers, and the colours are VOC's.

    Args:
      config: of the run.
      workdir: of the run.

    Raises:
      ValueError: the data set has another class list.
    """
    recorded = read_classes(workdir)
    try:
        data = reopen_data(config)
    except (ValueError, FileNotFoundError) as error:
        if recorded is not None:
            return Classes(recorded.names, recorded.palette)
        count = config.model.num_classes
        names = _stored_names(workdir)
        if len(names) != count:
            names = tuple(f"class {k}" for k in range(count))
        note = f"Without the data set, colours are VOC's. {error}"
        return Classes(names, tuple(map(voc_colour, range(count))), note)
    known = check_same_classes(recorded, data, workdir)
    return Classes(known.names, known.palette)


def _stored_names(workdir: pathlib.Path) -> tuple[str, ...]:
    try:
        return tuple(read_results(workdir)["class_names"])
    except FileNotFoundError:  # The run has not finished.
        return ()
