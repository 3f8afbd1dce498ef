"""Reads what a run wrote: its config, metrics and results."""

import pathlib
from typing import Any, NamedTuple

from ipixmatch_jax.configuration import saved
from ipixmatch_jax.evaluate import results_table
from ipixmatch_jax.experiment.continue_from import Origin, read_origin
from ipixmatch_jax.experiment.run_config import load_run_config
from ipixmatch_jax.report.metrics_log import History, read_metrics

_SWEEP = "sweep.csv"  # tells the folder of a sweep


class Run(NamedTuple):
    """What the files of one workdir hold.

    Attributes:
      name: shown on the page; unique among the runs of a page.
      workdir: its folder.
      config: dotted field -> value.
      history: of metrics.jsonl.
      results: results.json, or None while the run is not finished.
      class_names: of results.json; () without one.
      notes: sentences that say what is missing and why.
      origin: what the run started from; None: from no other run.
    """

    name: str
    workdir: pathlib.Path
    config: dict[str, Any]
    history: History
    results: dict | None
    class_names: tuple[str, ...]
    notes: tuple[str, ...]
    origin: Origin | None = None

    @property
    def steps(self) -> int:
        """The steps of the whole run."""
        return self.config.get("train.steps", 0)

    @property
    def finished(self) -> bool:
        """Whether results.json is of the last step."""
        return self.results is not None and (
            self.results["last"]["step"] >= self.steps
        )

    def names(self, count: int) -> tuple[str, ...]:
        """`count` class names, or numbers where the names are unknown."""
        if len(self.class_names) == count:
            return self.class_names
        return tuple(f"class {k}" for k in range(count))


def list_workdirs(folders: list[pathlib.Path]) -> list[pathlib.Path]:
    """The folders, with the runs of a sweep in place of the sweep's folder.

    Raises:
      FileNotFoundError: none of a sweep's runs has begun.
    """
    found = []
    for folder in folders:
        if not (folder / _SWEEP).is_file() or (folder / saved.FILE).exists():
            found.append(folder)
            continue
        runs = sorted(p.parent for p in folder.glob(f"*/*/{saved.FILE}"))
        if not runs:
            raise FileNotFoundError(
                f"{folder} holds a sweep, none of whose runs has begun."
            )
        found += runs
    return found


def read_runs(workdirs: list[pathlib.Path]) -> list[Run]:
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
    return [_read_run(*pair) for pair in zip(workdirs, names, strict=True)]


def _read_run(workdir, name) -> Run:
    config = load_run_config(workdir).to_dict()
    results = _read_results(workdir)
    history = read_metrics(workdir / "metrics.jsonl")
    run = Run(
        name=name,
        workdir=workdir,
        config=flatten(config),
        history=history,
        results=results,
        class_names=tuple((results or {}).get("class_names", ())),
        notes=history.notes,
        origin=read_origin(workdir),
    )
    return run._replace(notes=run.notes + _list_missing(run))


def _read_results(workdir) -> dict | None:
    try:
        return results_table.read_results(workdir)
    except FileNotFoundError:  # The run has not finished.
        return None


def _list_missing(run: Run) -> tuple[str, ...]:
    if run.finished and "made_with" in (run.results or {}):
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


def flatten(config: dict, prefix: str = "") -> dict[str, Any]:
    """The fields of nested sections by dotted names, sorted."""
    fields: dict[str, Any] = {}
    for name, value in sorted(config.items()):
        if isinstance(value, dict):
            fields |= flatten(value, f"{prefix}{name}.")
        else:
            fields[prefix + name] = value
    return fields
