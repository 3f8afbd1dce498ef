"""Starts a new run with the weights of another run's checkpoint."""

import os
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
from ml_collections import ConfigDict, FrozenConfigDict

from ipixmatch_jax.checkpoints import folders
from ipixmatch_jax.configuration.check import flatten
from ipixmatch_jax.data.registry import DataSet
from ipixmatch_jax.experiment import restore
from ipixmatch_jax.experiment.class_list import RunClasses
from ipixmatch_jax.experiment.data import keep_range
from ipixmatch_jax.experiment.resolve import change_fields
from ipixmatch_jax.experiment.run_config import (
    find_run_config,
    load_run_config,
)
from ipixmatch_jax.methods.registry import METHODS
from ipixmatch_jax.models.registry import BACKBONES
from ipixmatch_jax.utils.atomic import write_json
from ipixmatch_jax.utils.json_files import read_json_object

FILE = "continued_from.json"
CHECKPOINTS = ("best", "last")
_WAY_OUT = "put back the file that the run wrote, or start in a new --workdir"
# What the arrays of a network, and the meaning of its input, depend on.
_FIXED = (
    "model.backbone",
    "model.head",
    "model.stem",
    "data.channels",
    "data.normalisation",
    "data.mean",
    "data.std",
)


class Origin(NamedTuple):
    """What a run started from, as its workdir records it.

    Attributes:
      run: the absolute path of the other run's workdir.
      checkpoint: "best" or "last".
      step: of that checkpoint.
      score: mIoU of the networks on the other run's val, in percent; None:
        they were not scored at that step.
      networks: the name of each student here, and of its network there.
    """

    run: str
    checkpoint: str
    step: int
    score: float | None
    networks: dict[str, str]

    def describe(self) -> str:
        """Such as "continues from runs/first, step 400, val 61.20"."""
        words = f"continues from {self.run}, step {self.step:,}"
        return words if self.score is None else f"{words}, val {self.score:.2f}"


class Start(NamedTuple):
    """Where a new run starts.

    Attributes:
      origin: for the record.
      config: of the other run, resolved.
      classes: that the other run was trained with; None: it recorded none.
      students: NumPy params and batch_stats by the names of the new run's
        students. A teacher starts as a copy of them.
    """

    origin: Origin
    config: FrozenConfigDict
    classes: RunClasses | None
    students: dict[str, Any]


def parse_source(
    continue_from: str | os.PathLike,
) -> tuple[pathlib.Path, str]:
    """The workdir and the checkpoint of RUN[:best|last].

    Raises:
      ValueError: another word follows the colon.
    """
    text = os.fspath(continue_from)
    before, colon, word = text.rpartition(":")
    if colon and word in CHECKPOINTS:
        return pathlib.Path(before), word
    if colon and pathlib.Path(before).is_dir() and not os.path.isdir(text):
        raise ValueError(
            f"--continue-from {text}: after the colon comes "
            f"{' or '.join(CHECKPOINTS)}, not {word!r}."
        )
    return pathlib.Path(text), CHECKPOINTS[0]


def read_config(
    continue_from: str | os.PathLike, workdir: pathlib.Path
) -> FrozenConfigDict:
    """The config of a run that is given none of its own.

    Args:
      continue_from: RUN[:best|last].
      workdir: of the run; where it has begun already, its config counts.

    Raises:
      FileNotFoundError: there is no such run.
      ValueError: its config.json is not a run's.
    """
    own = find_run_config(workdir)
    if own is not None:
        return own
    return load_run_config(parse_source(continue_from)[0])


def find_start(
    continue_from: str | os.PathLike | None,
    workdir: pathlib.Path,
    config: ConfigDict,
) -> Start | None:
    """Reads the networks from which the run in a workdir has to start.

    A run that was killed before its first checkpoint starts from the run
    that its workdir records. A run with a checkpoint reads no other run.

    Args:
      continue_from: RUN[:best|last], of the command; None: not given.
      workdir: of the new run.
      config: of the new run, checked.

    Returns:
      None where the run starts from no other run, or is resumed.

    Raises:
      FileNotFoundError: there is no such run, or no such checkpoint.
      ValueError: the networks or the workdir do not fit.
      BrokenCheckpointError: the checkpoint is damaged.
    """
    recorded = read_origin(workdir)
    if folders.newest_step(workdir):
        if continue_from is not None:
            _check_same_origin(recorded, *parse_source(continue_from), workdir)
        return None
    if continue_from is not None:
        return _read_start(*parse_source(continue_from), workdir, config)
    if recorded is None:
        return None
    run = pathlib.Path(recorded.run)
    return _read_start(run, recorded.checkpoint, workdir, config)


def _read_start(
    run: pathlib.Path, which: str, workdir: pathlib.Path, config: ConfigDict
) -> Start:
    if run.resolve() == workdir.resolve():
        raise ValueError(
            f"--continue-from {run} is the run's own --workdir: leave it out "
            "to resume that run, or name another --workdir for a new one."
        )
    there = restore.load_checked_config(run)
    _check_networks(run, there, keep_inputs(config, there))
    try:
        trained = restore.restore_networks(run, which)
    except FileNotFoundError as error:
        words = f"--continue-from {run}:last"
        told = str(error).replace("--checkpoint last", words)
        raise FileNotFoundError(told) from error
    names = METHODS[config.method].networks
    _check_students(run, list(trained.variables), config.method, names)
    taken = _choose_networks(names, trained.better)
    origin = Origin(
        run=str(run.resolve()),
        checkpoint=which,
        step=trained.step,
        score=trained.scored,
        networks=taken,
    )
    networks = jax.device_get(trained.variables)
    students = {here: networks[name] for here, name in taken.items()}
    return Start(origin, trained.config, trained.classes, students)


def _choose_networks(names: tuple[str, ...], better: str) -> dict[str, str]:
    """The network there from which each student here starts.

    A single student starts from the network that scored best on val, be it
    student, teacher or twin. Two students keep their names, so that they stay
    different.
    """
    if len(names) == 1:
        return {names[0]: better}
    return {name: name for name in names}


def _check_students(
    run: pathlib.Path,
    there: Sequence[str],
    method: str,
    names: tuple[str, ...],
) -> None:
    if len(names) > 1 and not set(names) <= set(there):
        raise ValueError(
            f"config.method={method} trains {len(names)} students, and {run} "
            "has one: they would start equal and stay so. Choose a method "
            f"with one student, or continue from a run of {method}."
        )


def _check_networks(
    run: pathlib.Path, there: Mapping[str, Any], here: Mapping[str, Any]
) -> None:
    old, new = _fixed_values(there), _fixed_values(here)
    changed = [
        f"{field} is {old[field]!r} there and {new[field]!r} here"
        for field in _FIXED
        if old[field] != new[field]
    ]
    if changed:
        raise ValueError(
            f"The networks of {run} do not fit this run "
            f"({'; '.join(changed)}): give these fields their values there, "
            "or leave out --continue-from."
        )


def _fixed_values(config: Mapping[str, Any]) -> dict[str, Any]:
    values = flatten(config)
    head = values["model.head"] or BACKBONES[values["model.backbone"]].head
    return {field: values[field] for field in _FIXED} | {"model.head": head}


def keep_inputs(config: ConfigDict, there: FrozenConfigDict) -> ConfigDict:
    """A config whose images are read as those of the run it starts from.

    The networks learnt with that mean, deviation and range, so those of more
    images are not measured.
    """
    config = keep_range(config, there)
    measured = config.data.normalisation == "data" and not config.data.mean
    if not measured or there.data.normalisation != "data":
        return config
    fields = {"data.mean": there.data.mean, "data.std": there.data.std}
    return change_fields(config, fields)


def check_classes_kept(start: Start, data: DataSet) -> None:
    """Checks that a data set's classes are those that the networks know.

    Colours and values in masks may differ: the networks see neither.

    Raises:
      ValueError: the names of the classes, or their order, differ; the first
        difference is named.
    """
    here = tuple(data.class_names)
    if start.classes is None:  # an older run
        there: tuple[str, ...] = ("",) * start.config.model.num_classes
        same = len(there) == len(here)
    else:
        there = start.classes.names
        same = there == here
    if same:
        return
    difference = next(_class_differences(there, here))
    raise ValueError(
        f"The classes of {start.origin.run} and of this run's data differ "
        f"({difference}), so its networks cannot go on with them: give the "
        "data the same classes in the same order, or leave out "
        "--continue-from."
    )


def describe_held_out(start: Start, data: DataSet) -> str | None:
    """Why the scores on val may be too high, if that is so.

    Which images are held out changes as labels are added, so the other run
    may have trained on some that are in val now.
    """
    if not data.held_out:
        return None
    return (
        "val is held out of the labelled images, and may hold images on which "
        f"{start.origin.run} trained, so that the scores on val are too high: "
        "keep a val of its own (val/images and val/masks, or val.txt)."
    )


def _class_differences(
    there: tuple[str, ...], here: tuple[str, ...]
) -> Iterator[str]:
    if len(there) != len(here):
        more = here[len(there) :] or there[len(here) :]
        named = ", ".join(name for name in more if name)
        named = f"; only one of them has {named}" if named else ""
        yield f"{len(there)} classes there and {len(here)} here{named}"
    for k, (old, new) in enumerate(zip(there, here, strict=False)):
        if old != new:
            yield f"class {k} is {old!r} there and {new!r} here"


def _check_same_origin(
    recorded: Origin | None,
    run: pathlib.Path,
    which: str,
    workdir: pathlib.Path,
) -> None:
    given = str(run.resolve()), which
    if recorded is not None and given == (recorded.run, recorded.checkpoint):
        return
    began = (
        "from no other run"
        if recorded is None
        else f"from {recorded.run}:{recorded.checkpoint}"
    )
    raise ValueError(
        f"{workdir} holds a run that started {began}, not from {run}:{which}: "
        "choose another --workdir for a new run."
    )


def write_origin(origin: Origin, workdir: pathlib.Path) -> None:
    """Writes into a run's workdir what it started from."""
    write_json(workdir / FILE, origin._asdict())


def read_origin(workdir: pathlib.Path) -> Origin | None:
    """What the run in a workdir started from; None: from no other run.

    Raises:
      ValueError: the file does not hold what a run writes.
    """
    path = workdir / FILE
    if not path.exists():
        return None
    fields = read_json_object(path, _WAY_OUT)
    if set(fields) != set(Origin._fields):
        raise ValueError(
            f"{path} is not what a run wrote, which has the fields "
            f"{', '.join(Origin._fields)}: {_WAY_OUT}."
        )
    return Origin(**fields)
