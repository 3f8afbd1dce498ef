"""Checks a config against its workdir and data, and builds the run."""

import logging
import os
import pathlib
from collections.abc import Callable
from typing import NamedTuple

import jax
from jax.sharding import Mesh
from ml_collections import ConfigDict, FrozenConfigDict

from ipixmatch_jax.checkpoints import folders
from ipixmatch_jax.configuration.check import flatten
from ipixmatch_jax.data import class_counts, worker_room
from ipixmatch_jax.data.check import inspect
from ipixmatch_jax.data.registry import DataSet
from ipixmatch_jax.distributed import mesh as sharding
from ipixmatch_jax.experiment import cautions, resume
from ipixmatch_jax.experiment.class_list import (
    RunClasses,
    check_same_classes,
    classes_of,
    read_classes,
)
from ipixmatch_jax.experiment.compiler_flags import list_changed_flags
from ipixmatch_jax.experiment.continue_from import (
    Origin,
    Start,
    check_classes_kept,
    describe_held_out,
    find_start,
    keep_inputs,
    read_origin,
)
from ipixmatch_jax.experiment.data import keep_range
from ipixmatch_jax.experiment.image_lists import check_same_images, read_images
from ipixmatch_jax.experiment.published import refuse_training
from ipixmatch_jax.experiment.resolve import resolve_config, set_batch_size
from ipixmatch_jax.experiment.run_config import find_run_config
from ipixmatch_jax.experiment.validate import check_config
from ipixmatch_jax.loggers import registry as loggers
from ipixmatch_jax.methods.registry import METHODS
from ipixmatch_jax.models.weights import load
from ipixmatch_jax.training import batch_size, least_memory, setup
from ipixmatch_jax.training.batches import count_batch_bytes

_LOGGER = logging.getLogger(__name__)

OpenData = Callable[[ConfigDict], DataSet]
Build = Callable[[FrozenConfigDict, DataSet, Mesh], setup.Parts]


class Prepared(NamedTuple):
    """A run that can start.

    Attributes:
      config: resolved.
      classes: the run's class list.
      parts: built from the config.
      trained: the run in the workdir is at its end; its record stays.
      start: the networks of another run to start from; None: random weights,
        or those of model.pretrained, or a run that is resumed.
      origin: what the run starts or once started from.
    """

    config: FrozenConfigDict
    classes: RunClasses
    parts: setup.Parts
    trained: bool
    start: Start | None = None
    origin: Origin | None = None


def prepare_run(
    config: ConfigDict,
    workdir: pathlib.Path,
    *,
    open_data: OpenData,
    build: Build,
    continue_from: str | os.PathLike | None = None,
) -> Prepared:
    """Checks and resolves a config, and builds its run; writes nothing.

    Args:
      config: of the command.
      workdir: may hold the run that is to continue.
      open_data: see experiment/data.py; one that knows earlier runs can share
        their data sets.
      build: see setup.build; one that knows earlier runs can share their
        compiled programs.
      continue_from: see continue_from.find_start.

    Raises:
      ValueError, FileNotFoundError: the config, the data and the run in the
        workdir do not fit each other.
    """
    check_config(config)
    refuse_training(workdir)
    loggers.check_loggers(
        loggers.parse_names(config.loggers), writes=jax.process_index() == 0
    )
    start = find_start(continue_from, workdir, config)
    if start is None:
        _check_weights(config, workdir)
    else:
        config = keep_inputs(config, start.config)
    earlier = find_run_config(workdir)
    trained = earlier is not None and _is_trained(workdir, earlier, config)
    if trained:
        config = resume.adopt_places(earlier, config)
    data = open_data(keep_range(config, earlier))
    classes = _choose_classes(data, workdir, earlier)
    if start is not None:
        check_classes_kept(start, data)
    resolved = resolve_config(config, data, earlier)
    mesh = sharding.make_mesh(resolved.mesh.data, resolved.mesh.fsdp)
    parts = build(resolved, data, mesh)
    if earlier is not None and not trained:
        changed = resume.check_resume(earlier, resolved, workdir)
        changed += list_changed_flags(workdir)
        if changed:
            _LOGGER.info("Changed since it began: %s", "; ".join(changed))
    if folders.newest_step(workdir):
        check_same_images(read_images(workdir), data, resolved, workdir)
    _check_data(resolved, data)
    least_memory.check_memory(resolved, parts)
    if resolved.train.batch_size == 0:
        size, why = batch_size.choose_batch_size(resolved, data, mesh)
        resolved = set_batch_size(resolved, size, why)
        parts = build(resolved, data, mesh)
    _check_workers(resolved)
    if jax.process_index() == 0:
        class_counts.log_classes(data, resolved.data.on_error)
        found = [cautions.describe_warmup(flatten(resolved))]
        if start is not None:
            found.append(describe_held_out(start, data))
        for caution in filter(None, found):
            _LOGGER.warning("WARNING: %s", caution)
    origin = start.origin if start is not None else read_origin(workdir)
    return Prepared(resolved, classes, parts, trained, start, origin)


def _check_weights(config: ConfigDict, workdir: pathlib.Path) -> None:
    """Looks for the file of a new run's weights, before masks are counted.

    Raises:
      FileNotFoundError: there is no such file, or the hub cannot be reached.
    """
    if config.model.pretrained and not folders.newest_step(workdir):
        load.find_file(config.model.pretrained)


def _is_trained(
    workdir: pathlib.Path, earlier: FrozenConfigDict, config: ConfigDict
) -> bool:
    """Whether the run has ended and the command's fields differ from its own.

    Logs the difference. A finished run with equal fields is left to the loop.

    Raises:
      ValueError: the workdir holds a run of another shape.
    """
    done = folders.newest_step(workdir)
    if done < config.train.steps:
        return False
    resume.check_resume(earlier, config, workdir)
    untrained = resume.describe_untrained(earlier, config)
    if untrained:
        _LOGGER.warning(
            "NOTHING WAS TRAINED: %s holds a run that has done its %d steps "
            "with other fields (%s). Its config.json stays as it is; choose "
            "another --workdir for these fields, or more "
            "--config.train.steps.",
            workdir,
            done,
            "; ".join(untrained),
        )
    return bool(untrained)


def _choose_classes(
    data: DataSet, workdir: pathlib.Path, earlier: FrozenConfigDict | None
) -> RunClasses:
    """The class list of the run in the workdir, or of a new run."""
    if earlier is None:
        return classes_of(data)
    return check_same_classes(read_classes(workdir), data, workdir)


def _check_workers(config: FrozenConfigDict) -> None:
    """Refuses data workers for which the machine has no room."""
    if config.data.num_workers:
        sizes = count_batch_bytes(config, jax.process_count())
        worker_room.check_room(sizes, config.data.num_workers)


def _check_data(config: FrozenConfigDict, data: DataSet) -> None:
    inspect.check_before_training(
        data,
        crop_size=config.data.crop_size,
        uses_unlabelled=METHODS[config.method].uses_unlabelled,
        on_error=config.data.on_error,
    )
