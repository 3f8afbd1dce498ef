"""What a workdir says of its run, without its networks or its data."""

import json
import pathlib
from typing import Any, NamedTuple

from ipixmatch_jax.configuration import saved
from ipixmatch_jax.evaluate import results_table
from ipixmatch_jax.report import history as report_history


class Run(NamedTuple):
    """One workdir, read.

    Attributes:
      name: for a person; no two of one report share it.
      workdir: the folder.
      config: dotted field -> value.
      history: of metrics.jsonl.
      results: results.json, or None while the run is not finished.
      class_names: of results.json, or () where it is not there.
      notes: sentences on what is missing and why.
    """

    name: str
    workdir: pathlib.Path
    config: dict[str, Any]
    history: report_history.History
    results: dict | None
    class_names: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def steps(self) -> int:
        """The steps that were asked for."""
        return self.config.get("train.steps", 0)

    @property
    def finished(self) -> bool:
        """Whether results.json is of the last step."""
        return self.results is not None and (
            self.results["last"]["step"] >= self.steps
        )

    def names(self, count: int) -> tuple[str, ...]:
        """`count` class names: those that are known, or numbers."""
        if len(self.class_names) == count:
            return self.class_names
        return tuple(f"class {k}" for k in range(count))


def read(workdirs: list[pathlib.Path]) -> list[Run]:
    """Reads the runs of some workdirs.

    Raises:
      FileNotFoundError: a folder is not the workdir of a run.
      ValueError: a workdir is given twice, or a file in one is not JSON.
    """
    if len({w.resolve() for w in workdirs}) < len(workdirs):
        raise ValueError("A --workdir is given twice; give each run once.")
    names = [w.resolve().name for w in workdirs]
    if len(set(names)) < len(names):
        names = [str(w) for w in workdirs]
    return [_read(*pair) for pair in zip(workdirs, names, strict=True)]


def _read(workdir, name) -> Run:
    try:
        config = saved.load_config(workdir).to_dict()
        results = _results(workdir)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"A JSON file in {workdir} cannot be read ({error}); restore it, "
            "or start the run again in another --workdir."
        ) from error
    history = report_history.read(workdir / "metrics.jsonl")
    run = Run(
        name=name,
        workdir=workdir,
        config=flat(config),
        history=history,
        results=results,
        class_names=tuple((results or {}).get("class_names", ())),
        notes=history.notes,
    )
    return run._replace(notes=run.notes + _missing(run))


def _results(workdir) -> dict | None:
    try:
        return results_table.read(workdir)
    except FileNotFoundError:  # It is not finished.
        return None


def _missing(run: Run) -> tuple[str, ...]:
    if run.finished and "made_with" in run.results:
        return ()
    if run.finished:
        return (
            "No versions: the run ended under an older version of this "
            "package, which did not store them.",
        )
    done = run.history.last_step
    if run.results is None:
        left_out = "scores on test and versions come with the last step"
    else:
        left_out = (
            "scores on test and versions are those after "
            f"{run.results['last']['step']} steps"
        )
    return (
        f"The run has logged {done:,} of {run.steps:,} steps; {left_out}, "
        "and the command that started it continues it.",
    )


def flat(config: dict, prefix: str = "") -> dict[str, Any]:
    """Nested fields by their dotted names, in alphabetic order."""
    fields = {}
    for name, value in sorted(config.items()):
        if isinstance(value, dict):
            fields |= flat(value, f"{prefix}{name}.")
        else:
            fields[prefix + name] = value
    return fields
