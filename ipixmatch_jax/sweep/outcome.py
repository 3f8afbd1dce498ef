"""How a cell of a sweep ended, as its workdir tells."""

import pathlib
from typing import NamedTuple

from ipixmatch_jax.evaluate import results_table
from ipixmatch_jax.utils.atomic import write_json
from ipixmatch_jax.utils.json_files import read_json_object

_RESULTS, _DIVERGED = "results.json", "diverged.json"


class Outcome(NamedTuple):
    """The end of a run; both are None while it has not ended.

    Attributes:
      results: what results.json holds.
      diverged: why the run was given up.
    """

    results: dict | None = None
    diverged: str | None = None

    @property
    def ended(self) -> bool:
        """Whether the run is finished or given up."""
        return self.results is not None or self.diverged is not None


def has_ended(workdir: pathlib.Path) -> bool:
    """Whether a cell is finished or given up."""
    return any((workdir / name).exists() for name in (_RESULTS, _DIVERGED))


def read_outcome(workdir: pathlib.Path) -> Outcome:
    """The outcome of a cell, whose workdir need not exist.

    Raises:
      ValueError: a file cannot be read; names it.
    """
    if (workdir / _RESULTS).exists():
        return Outcome(results=results_table.read_results(workdir))
    if (workdir / _DIVERGED).exists():
        path = workdir / _DIVERGED
        written = read_json_object(path, "remove it to train the cell again")
        return Outcome(diverged=written.get("sentence", f"see {path}"))
    return Outcome()


def record_divergence(workdir: pathlib.Path, sentence: str) -> None:
    """Writes down why a run was given up, so that it is not repeated."""
    write_json(workdir / _DIVERGED, {"sentence": sentence})
