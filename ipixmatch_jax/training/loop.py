"""The only training loop."""

import logging
import pathlib
from collections.abc import Callable
from typing import NamedTuple

import grain
import jax
import numpy as np
from jax.experimental import multihost_utils
from ml_collections import ConfigDict

from ipixmatch_jax.checkpoints.manager import Checkpoints, Saved
from ipixmatch_jax.checkpoints.workdir_lock import held
from ipixmatch_jax.configuration import saved as configuration
from ipixmatch_jax.data import class_counts, pipeline, registry, workers
from ipixmatch_jax.data.bad_images import Skipped
from ipixmatch_jax.data.check import inspect
from ipixmatch_jax.distributed import mesh, processes
from ipixmatch_jax.distributed.preemption import StopRequest
from ipixmatch_jax.evaluate import metrics
from ipixmatch_jax.experiment import validate
from ipixmatch_jax.methods import two_students
from ipixmatch_jax.training import batch_size, divergence, least_memory, setup
from ipixmatch_jax.training import summary as results
from ipixmatch_jax.training.step import TrainState
from ipixmatch_jax.training.writer import Writer

_LOGGER = logging.getLogger(__name__)


class Run(NamedTuple):
    """What the loop's functions share."""

    config: ConfigDict
    workdir: pathlib.Path
    parts: setup.Parts
    checkpoints: Checkpoints
    writer: Writer
    stop: StopRequest


def train(
    config: ConfigDict,
    workdir: pathlib.Path,
    *,
    build: Callable[[ConfigDict], setup.Parts] = setup.build,
    stop: StopRequest | None = None,
) -> int:
    """Trains, or continues what the workdir holds, then reports.

    Args:
      config: see configs/common.py.
      workdir: gets config.json, checkpoints/, metrics.jsonl, tensorboard/,
        and at the end results.json and pictures.png.
      build: makes the parts; one that knows earlier runs can share theirs.
      stop: listens for signals; its owner can see one that came too late
        for the loop.

    Returns:
      the exit code: 0 at the end, 143 or 130 after a save on a signal.

    Raises:
      ValueError, FileNotFoundError: the config or the data do not fit; raised
        before anything is written or compiled.
      divergence.DivergenceError: 10 updates in a row were not finite.
      BrokenCheckpointError: none of the workdir's checkpoints is whole.
      NotSavedError: the disk refused the last save.
      distributed.ProcessLostError: another process does not answer.
    """
    validate.check(config)
    configuration.take_measured(config, workdir)
    batch_size.keep(config, workdir)
    built = build(config)
    if (workdir / configuration.FILE).exists():
        changed = configuration.check_resume(config, workdir)
        if changed:
            _LOGGER.info("Changed since it began: %s", "; ".join(changed))
    inspect.before_training(
        built.data,
        crop_size=config.data.crop_size,
        uses_unlabelled=config.method != "supervised",
        on_error=config.data.on_error,
    )
    least_memory.check(config, built)
    if config.train.batch_size == 0:
        batch_size.choose(config, built.data)
        built = build(config)
    first = jax.process_index() == 0
    if first:
        class_counts.report(built.data, config.data.on_error)
    workdir.mkdir(parents=True, exist_ok=True)
    stop = stop or StopRequest()
    with (
        held(workdir),
        Checkpoints(workdir) as checkpoints,
        stop,
        processes.naming_the_lost(),
    ):
        state, best = _start(built, checkpoints, config.seed)
        if first:
            configuration.save(config, workdir)
        start = int(state.step)
        with Writer(
            workdir,
            start=start,
            steps=config.train.steps,
            images_per_step=_images_per_step(config),
            active=first,
        ) as writer:
            run = Run(config, workdir, built, checkpoints, writer, stop)
            if start >= config.train.steps:
                finished = True
            else:
                state, best, finished = _loop(run, state, best, start)
            if not finished:
                writer.message(
                    f"Stopped on a signal; saved {int(state.step)} steps. The "
                    "same command continues."
                )
                return stop.exit_code
            summary = results.report(
                built,
                checkpoints,
                writer,
                workdir,
                _networks(state),
                int(state.step),
                best,
            )
            writer.message(summary)
    return 0


def _trees(state: TrainState) -> dict:
    """The state as the checkpoint's items: its networks and the rest."""
    return _networks(state) | {
        "optimiser": {
            "step": state.step,
            "opt_state": state.opt_state,
            "skipped": state.skipped,
            "skipped_in_a_row": state.skipped_in_a_row,
        },
    }


def _images_per_step(config: ConfigDict) -> int:
    """Labelled images, and as many unlabelled ones where they are used."""
    return config.train.batch_size * (1 + (config.method != "supervised"))


def _networks(state: TrainState) -> dict:
    """The networks that are scored."""
    networks = two_students.networks(state.student)
    if state.teacher is not None:
        networks["teacher"] = state.teacher
    return networks


def _start(built: setup.Parts, checkpoints: Checkpoints, seed: int):
    """A new state, or the newest one that was saved."""
    steps = checkpoints.steps()
    if not steps:
        return built.init(seed), Saved()
    trees = checkpoints.restore(steps[-1], _trees(built.like))
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
    student = trees["student"]
    if "twin" in trees:
        student = two_students.variables(student, trees["twin"])
    state = TrainState(
        student=student,
        teacher=trees.get("teacher"),
        **trees["optimiser"],
    )
    return state, best


def batches(
    config: ConfigDict,
    data: registry.DataSet,
    *,
    process_index: int = 0,
    process_count: int = 1,
) -> grain.MapDataset:
    """The run's batches by steps done before; see data/pipeline.py."""
    return pipeline.train_batches(
        data.labelled,
        None if config.method == "supervised" else data.unlabelled,
        batch_size=config.train.batch_size,
        crop_size=config.data.crop_size,
        seed=config.seed,
        recipe=setup.view_recipe(config),
        apply_views=config.data.apply_views,
        on_error=config.data.on_error,
        process_index=process_index,
        process_count=process_count,
    )


def _read_ahead(run: Run, start: int) -> workers.Batches:
    """This process's batches from step `start` on."""
    stream = batches(
        run.config,
        run.parts.data,
        process_index=jax.process_index(),
        process_count=jax.process_count(),
    )
    return workers.Batches(stream, start, run.config.data.num_workers)


def _loop(run: Run, state: TrainState, best: Saved, start: int):
    """Steps, evaluations and saves until the end or a signal."""
    config, writer = run.config.train, run.writer
    stream = _read_ahead(run, start)
    data = run.parts.data
    skipped = Skipped(labelled=data.labelled, unlabelled=data.unlabelled)
    watch = divergence.Watch(data, run.workdir)
    train_step = processes.together(run.parts.train_step)
    done, stopped, saved = start, False, start
    pending = None
    try:
        while done < config.steps and not stopped:
            batch = next(stream)
            skipped.note(batch.pop("bad"))
            watch.read(done + 1, batch)
            batch = mesh.put_batch(batch, run.parts.mesh)
            state, measured = train_step(state, batch)
            done += 1
            # Reading the step before lets the device run ahead of the host.
            _check_finite(run, watch, pending)
            pending = (done, measured)
            writer.advance(done)
            if done % config.log_every == 0 or done == config.steps:
                bad = {"bad_images": _over_processes(skipped.take())}
                writer.train(done, jax.device_get(measured) | bad)
            score = None
            if done % config.eval_every == 0 or done == config.steps:
                best, score = _evaluate(run, state, best, done)
            stopped = run.stop.asked(done)
            if score is not None or stopped or done % config.save_every == 0:
                _save(run, state, best, done, score)
                saved = done
        _check_finite(run, watch, pending)
    finally:
        stream.close()
    run.checkpoints.finish()
    _LOGGER.info("Saved %s", run.checkpoints.path(saved))
    return state, run.checkpoints.settle(best), done >= config.steps


def _over_processes(count: int) -> int:
    """The sum over the processes, all of which must ask."""
    if jax.process_count() == 1:
        return count
    return int(multihost_utils.process_allgather(np.int32(count)).sum())


def _save(run: Run, state, best: Saved, done: int, score: float | None):
    run.checkpoints.save(done, _trees(state), best, run.config.to_dict(), score)


def _evaluate(run: Run, state: TrainState, best: Saved, done: int):
    """Scores every network on val; the better one is the score.

    Returns the best so far and the score, which is None when a signal cut the
    evaluation short.
    """
    best = run.checkpoints.settle(best)
    confusion = run.parts.evaluate(
        _networks(state),
        run.parts.data.val,
        should_stop=lambda: run.stop.asked(done),
    )
    run.writer.restart_clock(done)
    if confusion is None:
        return best, None
    scores = {k: metrics.mean_iou(v) for k, v in confusion.items()}
    values = {f"val_miou_{k}": v for k, v in scores.items()}
    values |= {f"val_iou_{k}": metrics.iou(v) for k, v in confusion.items()}
    shown = {k: f"{k} {v:.2f}" for k, v in scores.items()}
    for name, matrix in confusion.items():
        classes = run.parts.data.class_names
        foreground = metrics.foreground_iou(metrics.iou(matrix), classes)
        if foreground is not None:
            values[f"val_foreground_iou_{name}"] = foreground
            shown[name] += f" (foreground {foreground:.2f})"
    run.writer.scalars(done, values)
    shown = ", ".join(shown.values())
    _LOGGER.info("step %d: val mIoU %s", done, shown)
    network = max(scores, key=scores.get)
    if scores[network] > best.score:
        best = Saved(float(scores[network]), done, network)
    return best, float(scores[network])


def _check_finite(run: Run, watch: divergence.Watch, pending) -> None:
    """Stops a run whose last updates were all skipped."""

    def last():
        run.checkpoints.wait()
        steps = run.checkpoints.steps()
        return run.checkpoints.path(steps[-1]) if steps else None

    if pending is not None:
        watch.check(*pending, last)
