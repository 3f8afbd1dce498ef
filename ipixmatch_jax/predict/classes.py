"""What the class ids of a run's predictions stand for."""

import pathlib
from typing import NamedTuple

from ml_collections import ConfigDict

from ipixmatch_jax.data.files.class_list import voc_colour
from ipixmatch_jax.evaluate.results_table import read_results
from ipixmatch_jax.experiment.data import open_data


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


def read_classes(config: ConfigDict, workdir: pathlib.Path) -> Classes:
    """Names and colours of the run's classes.

    They are the data set's. If that is no longer there, the names are those
    in results.json of the finished run, or numbers, and the colours VOC's.

    Args:
      config: of the run.
      workdir: of the run.
    """
    try:
        data = open_data(config)
    except (ValueError, FileNotFoundError) as error:
        count = config.model.num_classes
        names = _stored_names(workdir)
        if len(names) != count:
            names = tuple(f"class {k}" for k in range(count))
        note = f"Without the data set, colours are VOC's. {error}"
        return Classes(names, tuple(map(voc_colour, range(count))), note)
    return Classes(tuple(data.class_names), tuple(data.palette))


def _stored_names(workdir: pathlib.Path) -> tuple[str, ...]:
    try:
        return tuple(read_results(workdir)["class_names"])
    except FileNotFoundError:  # The run has not finished.
        return ()
