"""The only training loop."""

import contextlib
import logging
import os
import pathlib
from collections.abc import Iterator
from typing import NamedTuple

import jax
import numpy as np
from jax.experimental import multihost_utils
from ml_collections import ConfigDict, FrozenConfigDict

from ipixmatch_jax.checkpoints import folders
from ipixmatch_jax.checkpoints.manager import Checkpoints, Saved
from ipixmatch_jax.checkpoints.workdir_lock import lock_workdir
from ipixmatch_jax.configuration.saved import save_config
from ipixmatch_jax.data import workers
from ipixmatch_jax.data.bad_images import Skipped
from ipixmatch_jax.distributed import mesh, processes
from ipixmatch_jax.distributed.hear_signals import acknowledge_ctrl_c
from ipixmatch_jax.distributed.preemption import StopRequest
from ipixmatch_jax.experiment import data as experiment_data
from ipixmatch_jax.experiment.class_list import write_classes
from ipixmatch_jax.experiment.compiler_flags import write_flags
from ipixmatch_jax.experiment.continue_from import write_origin
from ipixmatch_jax.experiment.image_lists import images_of, write_images
from ipixmatch_jax.loggers import registry as loggers
from ipixmatch_jax.loggers.base import Logged, Logger
from ipixmatch_jax.methods.networks import join_networks
from ipixmatch_jax.training import divergence, run_header, setup, summary
from ipixmatch_jax.training.batches import images_per_step, make_batches
from ipixmatch_jax.training.evaluation import score_on_val
from ipixmatch_jax.training.prepare import (
    Build,
    OpenData,
    Prepared,
    prepare_run,
)
from ipixmatch_jax.training.state_trees import (
    checkpoint_trees,
    scored_networks,
    state_from_trees,
)
from ipixmatch_jax.training.step import TrainState
from ipixmatch_jax.training.writer import Writer
from ipixmatch_jax.utils.atomic import require_folder
from ipixmatch_jax.utils.waiting import StoppedWaitingError

_LOGGER = logging.getLogger(__name__)


class Run(NamedTuple):
    """What the loop's functions share."""

    config: FrozenConfigDict
    workdir: pathlib.Path
    parts: setup.Parts
    checkpoints: Checkpoints
    writer: Writer
    stop: StopRequest


class Progress(NamedTuple):
    """How far a run has come.

    Attributes:
      state: after `done` steps.
      done: steps.
      best: the best evaluation so far.
      on_val: confusion matrices of the state's networks on val; None: they
        have not been scored after these steps.
    """

    state: TrainState
    done: int
    best: Saved
    on_val: dict[str, np.ndarray] | None = None


def train(
    config: ConfigDict,
    workdir: pathlib.Path,
    *,
    open_data: OpenData = experiment_data.open_data,
    build: Build = setup.build,
    continue_from: str | os.PathLike | None = None,
    stop: StopRequest | None = None,
    locked: bool = False,
) -> int:
    """Trains, or continues what the workdir holds, then reports.

    Args:
      config: see docs/config_reference.md; it is not written to.
      workdir: gets config.json, xla_flags.json, classes.json, images.json,
        continued_from.json (of a run that starts from another), checkpoints/,
        metrics.jsonl, what the loggers write, and at the end results.json and
        pictures.png.
      open_data: opens the data set, see prepare.prepare_run.
      build: makes the parts, see prepare.prepare_run.
      continue_from: RUN[:best|last], the run whose networks a new run starts
        from; a run that is resumed does not read it again.
      stop: listens for signals; its owner can see one that came too late
        for the loop.
      locked: the caller holds `lock_workdir(workdir)`.

    Returns:
      the exit code: 0 at the end, 143, 130 or 129 after a save on a signal.

    Raises:
      ValueError, FileNotFoundError: the config or the data do not fit; raised
        before anything is written or compiled.
      NotADirectoryError, PermissionError: the workdir is a file, or this user
        may not write into it.
      divergence.DivergenceError: 10 updates in a row were not finite.
      BrokenCheckpointError: none of the workdir's checkpoints is whole.
      NotSavedError: the disk refused the last save.
      processes.ProcessLostError: another process does not answer.
    """
    folders.check_name(workdir)
    require_folder(workdir, "--workdir")
    with acknowledge_ctrl_c():
        prepared = prepare_run(
            config,
            workdir,
            open_data=open_data,
            build=build,
            continue_from=continue_from,
        )
    workdir.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        if not locked:
            stack.enter_context(lock_workdir(workdir))
        checkpoints = stack.enter_context(Checkpoints(workdir))
        stop = stack.enter_context(stop or StopRequest())
        stack.enter_context(processes.report_lost_process())
        if not prepared.trained:
            run_header.log_header(
                prepared.config, prepared.parts, workdir, prepared.origin
            )
        start = _restore_or_begin(prepared, checkpoints)
        _record(prepared, workdir)
        # The other run's weights need no memory from here on.
        prepared = prepared._replace(start=None)
        writer = _open_writer(prepared, workdir, start.done)
        stack.enter_context(writer)
        run = Run(
            prepared.config, workdir, prepared.parts, checkpoints, writer, stop
        )
        end = start if prepared.trained else _train_steps(run, start)
        if not prepared.trained and end.done < run.config.train.steps:
            writer.print_message(
                f"Stopped on a signal; saved {end.done} steps. The same "
                "command continues."
            )
            return stop.exit_code
        _report(run, end)
    return 0


def _record(prepared: Prepared, workdir: pathlib.Path) -> None:
    """Writes what the run is and starts from; a finished run keeps its own."""
    if jax.process_index() == 0 and not prepared.trained:
        save_config(prepared.config, workdir)
        write_flags(workdir)
        write_classes(prepared.classes, workdir)
        write_images(images_of(prepared.parts.data), workdir)
        if prepared.start is not None:
            write_origin(prepared.start.origin, workdir)


def _open_writer(
    prepared: Prepared, workdir: pathlib.Path, start: int
) -> Writer:
    return Writer(
        workdir,
        start=start,
        steps=prepared.config.train.steps,
        images_per_step=images_per_step(prepared.config),
        active=jax.process_index() == 0,
        eval_every=prepared.config.train.eval_every,
        loggers=_open_loggers(prepared.config, workdir),
    )


def _open_loggers(
    config: FrozenConfigDict, workdir: pathlib.Path
) -> list[Logger]:
    """The loggers of the run, on the first process alone."""
    if jax.process_index() != 0:
        return []
    names = loggers.parse_names(config.loggers)
    return loggers.open_loggers(names, Logged(workdir, config.to_dict()))


def _report(run: Run, end: Progress) -> None:
    """Scores the last and the best checkpoint, and says so."""
    run.stop.doing = "the scores of the finished run"
    with run.writer.doing("Scoring the last and the best checkpoint"):
        text = summary.write_summary(
            run.parts,
            run.checkpoints,
            run.writer,
            run.workdir,
            scored_networks(end.state),
            end.done,
            end.best,
            end.on_val,
        )
    run.writer.print_message(text)


def _restore_or_begin(prepared: Prepared, checkpoints: Checkpoints) -> Progress:
    """Restores the newest saved state, or starts a new one."""
    steps = checkpoints.steps()
    if not steps and prepared.start is not None:
        students = join_networks(prepared.start.students)
        return Progress(prepared.parts.begin(students), 0, Saved())
    if not steps:
        _LOGGER.info("Preparing the network's weights ...")
        state = prepared.parts.init(prepared.config.seed)
        return Progress(state, 0, Saved())
    like = checkpoint_trees(prepared.parts.like)
    trees = checkpoints.restore(steps[-1], like)
    best, _ = checkpoints.restore_meta(steps[-1])
    if best != checkpoints.best():
        _LOGGER.warning(
            "The checkpoint of the best evaluation, %.2f after step %d, is "
            "gone: the best of those that are left counts.",
            best.score,
            best.step,
        )
        best = checkpoints.best()
    _LOGGER.info("Continuing after step %d", steps[-1])
    state = state_from_trees(trees)
    return Progress(state, int(state.step), best)


def _read_ahead(run: Run, start: int) -> workers.Batches:
    """This process's batches from step `start` on."""
    stream = make_batches(
        run.config,
        run.parts.data,
        process_index=jax.process_index(),
        process_count=jax.process_count(),
    )
    # Several processes may only ask together, at the end of a step.
    alone = jax.process_count() == 1
    should_stop = (lambda: run.stop.asked(start)) if alone else (lambda: False)
    return workers.Batches(
        stream, start, run.config.data.num_workers, should_stop
    )


def _next_batch(stream: workers.Batches) -> dict | None:
    """The next batch; None if a signal came while waiting for it."""
    try:
        return next(stream)
    except StoppedWaitingError:
        return None


@contextlib.contextmanager
def _compiling(run: Run, done: int, *, first: bool) -> Iterator[None]:
    """Shows in the first step that the program is compiled meanwhile."""
    if not first:
        yield
        return
    with run.writer.compiling(done):
        yield


def _train_steps(run: Run, start: Progress) -> Progress:
    """Trains to the end or to a signal, and saves what was reached."""
    if start.done >= run.config.train.steps or run.stop.asked(start.done):
        return start
    stream = _read_ahead(run, start.done)
    try:
        end = _train_on_stream(run, stream, start)
    finally:
        stream.close()
    run.checkpoints.finish()
    if end.done:
        _LOGGER.info("Saved %s", run.checkpoints.path(end.done))
    return end._replace(best=run.checkpoints.best_on_disk(end.best))


def _train_on_stream(
    run: Run, stream: workers.Batches, start: Progress
) -> Progress:
    """Steps, evaluations and saves, the last one after the last step."""
    config, data = run.config.train, run.parts.data
    skipped = Skipped(labelled=data.labelled, unlabelled=data.unlabelled)
    watch = divergence.Watch(data, run.workdir)
    train_step = processes.compile_together(run.parts.train_step)
    now, stopped, saved = start, False, start.done
    pending: tuple[int, dict] | None = None
    while now.done < config.steps and not stopped:
        batch = _next_batch(stream)
        if batch is None:
            break
        skipped.count_batch(batch.pop("bad"))
        watch.note_batch(now.done + 1, batch)
        batch = mesh.put_batch(batch, run.parts.mesh)
        with _compiling(run, now.done, first=now.done == start.done):
            state, measured = train_step(now.state, batch)
        now = Progress(state, now.done + 1, now.best)
        run.stop.doing = "this step"
        # Reading the step before lets the device run ahead of the host.
        _stop_if_diverged(run, watch, pending)
        pending = (now.done, measured)
        run.writer.advance(now.done)
        at_end = now.done == config.steps
        if now.done % config.log_every == 0 or at_end:
            _log_step(run, now.done, measured, skipped.take_count())
        score = None
        if now.done % config.eval_every == 0 or at_end:
            now, score = _evaluate(run, now)
        stopped = run.stop.asked(now.done)
        if score is not None or stopped or now.done % config.save_every == 0:
            _save(run, now, score)
            saved = now.done
    _stop_if_diverged(run, watch, pending)
    if saved < now.done:
        _save(run, now, None)
    return now


def _log_step(run: Run, done: int, measured: dict, skipped: int) -> None:
    """Writes one line of metrics, with the images skipped by any process."""
    if jax.process_count() > 1:
        counts = multihost_utils.process_allgather(np.int32(skipped))
        skipped = int(counts.sum())
    run.writer.write_training(
        done, jax.device_get(measured) | {"bad_images": skipped}
    )


def _save(run: Run, now: Progress, score: float | None) -> None:
    trees = checkpoint_trees(now.state)
    config = run.config.to_dict()
    run.checkpoints.save(now.done, trees, now.best, config, score)


def _evaluate(run: Run, now: Progress) -> tuple[Progress, float | None]:
    """Adds an evaluation on val; its score is None where a signal ended it."""
    run.stop.doing = "the images that are being scored"
    best, score, on_val = score_on_val(
        run.parts,
        now.state,
        run.writer,
        run.checkpoints.best_on_disk(now.best),
        now.done,
        should_stop=lambda: run.stop.asked(now.done),
    )
    return now._replace(best=best, on_val=on_val), score


def _stop_if_diverged(
    run: Run, watch: divergence.Watch, pending: tuple[int, dict] | None
) -> None:
    """Ends a run whose last updates were all skipped."""

    def newest_checkpoint():
        run.checkpoints.wait()
        steps = run.checkpoints.steps()
        return run.checkpoints.path(steps[-1]) if steps else None

    if pending is not None:
        step, metrics = pending
        watch.stop_if_diverged(step, metrics, newest_checkpoint)
