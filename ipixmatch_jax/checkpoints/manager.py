"""Saves and restores a run; the only file that imports orbax."""

import asyncio
import contextlib
import logging
import os
import pathlib
from typing import Any, NamedTuple

import jax
import orbax.checkpoint as ocp
from orbax.checkpoint.checkpoint_managers import preservation_policy

from ipixmatch_jax.checkpoints import checksums, folders, refused_saves
from ipixmatch_jax.distributed import processes

_LOGGER = logging.getLogger(__name__)
# The files of orbax's own records, which it writes as it commits.
_LATE = ("_CHECKPOINT_METADATA", "commit_success.txt")


class BrokenCheckpointError(ValueError):
    """The files of a checkpoint have changed since they were written."""


class NotSavedError(OSError):
    """The last save of a run is not on disk."""


class Saved(NamedTuple):
    """The best evaluation so far.

    Attributes:
      score: mIoU in percent; -1 before the first evaluation.
      step: steps done when it was reached.
      network: "student", "teacher" or "twin".
    """

    score: float = -1.0
    step: int = 0
    network: str = "student"


def _score(metrics: dict[str, float]) -> float:
    return metrics["miou"]


class Checkpoints:
    """The checkpoints of one workdir: the newest two and the best on val.

    A checkpoint holds the named trees of the train state (its step is the
    position in the data), the best score so far and the run's config, with a
    checksum of every file. Saves are asynchronous: a folder gets its name
    when all of it, with the checksums, is written.

    Opening for writing removes what a killed run left unfinished, and renames
    a broken checkpoint to `<step>.broken` with a warning, so that the newest
    whole one counts. A reader changes nothing, and stops at a broken one.

    A save that the disk refuses is lost, and a warning says so; see
    `best_on_disk` and `finish`.
    """

    def __init__(self, workdir: pathlib.Path, *, read_only: bool = False):
        """Opens a workdir's checkpoints.

        Args:
          workdir: the run's; nobody else may write into it, see
            workdir_lock.py.
          read_only: opens without the right to save.

        Raises:
          BrokenCheckpointError: there are checkpoints, and none is whole.
          ValueError: the path is not UTF-8.
        """
        folders.check_name(workdir)
        self.directory = (workdir / folders.FOLDER).absolute()
        self._read_only = read_only
        self._saving, self._lost = 0, False
        self._close = contextlib.ExitStack()
        if not read_only:
            self._set_broken_aside()
        self._manager = self._open()
        # Whose checksums need not be compared again.
        self._whole = set() if read_only else set(self.steps())

    def _open(self) -> ocp.CheckpointManager:
        policy = preservation_policy.AnyPreservationPolicy(
            [
                preservation_policy.LatestN(2),
                preservation_policy.BestN(get_metric_fn=_score, n=1),
            ]
        )
        # best_fn makes the manager write the scores, so that the policy still
        # has them after a restart. A reader does not read them: those of
        # another checkpoint than its own may be broken.
        options = ocp.CheckpointManagerOptions(
            preservation_policy=policy,
            best_fn=_score,
            temporary_path_class=_ChecksummedPath,
            # A folder that cannot be made is an error of `save`. Made in the
            # background, it leaves threads behind that wait for it for 300 s
            # and keep the process from ending.
            async_options=ocp.options.AsyncOptions(
                create_directories_asynchronously=False
            ),
            create=not self._read_only,
            lightweight_initialize=self._read_only,
            # So that all processes list the same checkpoints.
            single_host_load_and_broadcast=True,
        )
        return ocp.CheckpointManager(self.directory, options=options)

    def __enter__(self) -> "Checkpoints":
        self._close.enter_context(refused_saves.hide_side_effects())
        return self

    def __exit__(self, *exception) -> None:
        with self._close:
            self.wait()
            self._manager.close()

    def path(self, step: int) -> pathlib.Path:
        """The folder of the checkpoint after `step` steps."""
        return self.directory / str(step)

    def steps(self) -> list[int]:
        """The steps that can be restored, oldest first.

        A reader lists those that are there: it must stop at a broken one
        rather than take another one in its place.
        """
        if self._read_only:
            return folders.list_steps(self.directory)
        # With several processes they come as an array.
        return sorted(int(step) for step in self._manager.all_steps())

    def save(
        self,
        step: int,
        trees: dict[str, Any],
        best: Saved,
        config: dict,
        score: float | None,
    ) -> None:
        """Starts saving; returns once the arrays may be overwritten.

        Args:
          step: steps done.
          trees: arrays by name; each can be restored without the others.
          best: the best evaluation so far.
          config: the run's, as a plain dict.
          score: val mIoU of this very state; None if it was not evaluated.
        """
        self.wait()
        if self._lost and jax.process_index() == 0:
            folders.remove_unfinished(self.directory)
        self._saving, self._lost = step, False
        self._make_directory_again()
        if processes.ask_first(self._refuse_early(trees)):
            self._lost = True
            return
        meta = {"best": best._asdict(), "config": config, "checksums": True}
        items = {name: ocp.args.StandardSave(t) for name, t in trees.items()}
        try:
            self._manager.save(
                step,
                args=ocp.args.Composite(meta=ocp.args.JsonSave(meta), **items),
                metrics={"miou": -1.0 if score is None else score},
                force=True,
            )
        except (OSError, ValueError) as error:
            self._give_up(error)

    def wait(self) -> None:
        """Waits for the save that is running, if there is one."""
        try:
            self._manager.wait_until_finished()
        except (OSError, ValueError) as error:
            self._give_up(error)

    def finish(self) -> None:
        """Waits until the last save is on disk.

        Raises:
          NotSavedError: the disk refused the save.
        """
        self.wait()
        if self._lost:
            steps = self.steps()
            last = self.path(steps[-1]) if steps else "none"
            raise NotSavedError(
                f"the state after step {self._saving} could not be saved, a "
                f"warning says why; the last checkpoint is {last}, from which "
                "the same command continues."
            )

    def best_on_disk(self, best: Saved) -> Saved:
        """`best`, or the best checkpoint on disk where that save was lost."""
        self.wait()
        return best if best.step in (0, *self.steps()) else self.best()

    def best(self) -> Saved:
        """The best evaluation whose checkpoint is on disk."""
        steps = self.steps()
        known = [self.restore_meta(step)[0] for step in steps]
        there = [saved for saved in known if saved.step in steps]
        return max(there, key=lambda saved: saved.score, default=Saved())

    def find(self, which: str) -> tuple[int, Saved]:
        """The step of the "best" or the "last" checkpoint, and the best.

        Raises:
          FileNotFoundError: it was not saved, or was removed.
          BrokenCheckpointError: the records of the scores are broken.
        """
        steps = self.steps()
        if not steps:
            odd = folders.list_oddly_named(self.directory)
            if odd:
                raise FileNotFoundError(
                    f"{self.directory} holds no checkpoint, but "
                    f"{', '.join(odd)}: the folder of a checkpoint has the "
                    "number of its steps as its name, such as 400."
                )
            raise FileNotFoundError(
                f"{self.directory} holds no checkpoint yet: let the run reach "
                "its first train.save_every steps."
            )
        best = self.best()
        step = best.step if which == "best" else steps[-1]
        if step not in steps:
            raise FileNotFoundError(
                f"{self.directory} has no evaluated checkpoint; --checkpoint "
                f"last takes the newest one (saved: {_name_steps(steps)})."
            )
        return step, best

    def restore(self, step: int, like: dict[str, Any]) -> dict[str, Any]:
        """The named trees after `step` steps.

        Args:
          step: one of steps().
          like: trees of ShapeDtypeStruct with shardings; see abstract().

        Raises:
          BrokenCheckpointError: a file of the checkpoint has changed.
        """
        self._require_whole(step)
        items = {name: ocp.args.StandardRestore(t) for name, t in like.items()}
        restored = self._manager.restore(step, args=ocp.args.Composite(**items))
        return {name: restored[name] for name in like}

    def restore_meta(self, step: int) -> tuple[Saved, dict]:
        """The best evaluation up to `step`, and the config of the run.

        Raises:
          BrokenCheckpointError: their files have changed.
        """
        self._require_whole(step, "meta/")
        restored = self._manager.restore(
            step, args=ocp.args.Composite(meta=ocp.args.JsonRestore())
        )
        meta = restored["meta"]
        try:
            return Saved(**meta["best"]), meta["config"]
        except (KeyError, TypeError) as error:  # written without checksums
            raise BrokenCheckpointError(
                f"The checkpoint {self.path(step)} is broken (meta holds no "
                "best score and config): put back a copy, or move it away."
            ) from error

    def _require_whole(self, step: int, inside: str = "") -> None:
        if step in self._whole:
            return
        fault = None
        if jax.process_index() == 0:
            fault = folders.find_fault(self.path(step), inside)
        if processes.ask_first(fault is not None):
            others = ", ".join(str(s) for s in self.steps() if s != step)
            raise BrokenCheckpointError(
                f"The checkpoint {self.path(step)} is broken "
                f"({fault or 'process 0 says where'}): put back a copy, or "
                "move it away to use another one (there are those of "
                f"steps: {others or 'none'})."
            )
        if not inside:
            self._whole.add(step)

    def _set_broken_aside(self) -> None:
        """Sets aside what a killed run or a bad disk left."""
        none_whole = False
        if jax.process_index() == 0:
            folders.remove_unfinished(self.directory)
            none_whole = not folders.set_broken_aside(self.directory)
        if processes.ask_first(none_whole):
            raise BrokenCheckpointError(
                f"None of the checkpoints of {self.directory} is whole; the "
                "warnings of process 0 say what is wrong with each. Put back "
                "a copy of one, or move that folder away and the same command "
                "starts from the beginning."
            )

    def _make_directory_again(self) -> None:
        """Makes the folder of checkpoints again, where it was removed."""
        missing = jax.process_index() == 0 and not self.directory.exists()
        if not processes.ask_first(missing):
            return
        if missing:
            _LOGGER.warning(
                "%s was removed while the run goes on: it is made again.",
                self.directory,
            )
            self.directory.mkdir(parents=True)
        self._manager = self._open()
        self._whole.clear()

    def _refuse_early(self, trees: dict[str, Any]) -> bool:
        """Whether the disk cannot take a save; a warning then says so."""
        if jax.process_index() != 0:
            return False
        needed = sum(leaf.nbytes for leaf in jax.tree.leaves(trees))
        found = refused_saves.find_lack_of_space(self.directory, needed)
        if found is not None:
            self._warn(*found)
        return found is not None

    def _give_up(self, error: OSError | ValueError) -> None:
        """Goes on without a save that the disk refused."""
        number = refused_saves.find_errno(error)
        if number is None:
            raise error
        reason = os.strerror(number)
        if jax.process_count() > 1:
            # The other processes may wait for this one at a barrier of orbax.
            raise NotSavedError(
                f"the state after step {self._saving} could not be saved "
                f"({reason}); the same command continues from the last "
                f"checkpoint in {self.directory}."
            ) from error
        folders.remove_unfinished(self.directory)
        # The old manager raises the error again at every later save.
        self._manager = self._open()
        # The error may have come after everything was written.
        self._lost = self._saving not in self.steps()
        if self._lost:
            self._warn(number, reason)

    def _warn(self, number: int, reason: str) -> None:
        _LOGGER.warning(
            "NOT SAVED: the checkpoint after step %d (%s). Training goes on "
            "without it and tries again at the next; %s.",
            self._saving,
            reason,
            refused_saves.suggest_help(number, self.directory),
        )


class _ChecksummedPath(ocp.path.atomicity.AtomicRenameTemporaryPath):
    """A folder that gets its checksums before it gets its name.

    tests/survive/test_kill.py kills a run on either side of them.
    """

    async def finalize(self) -> None:
        folder = pathlib.Path(self.get())
        # orbax uses this class for the items of a checkpoint too.
        whole = self.get_final().name.isdigit()
        if whole:
            await asyncio.to_thread(checksums.write_checksums, folder, _LATE)
        await super().finalize()
        if whole:
            final = pathlib.Path(self.get_final())
            await asyncio.to_thread(checksums.add_checksums, final, _LATE)


def abstract(tree, shardings):
    """The shapes and types of a tree, with the given shardings."""
    return jax.tree.map(
        lambda leaf, sharding: jax.ShapeDtypeStruct(
            leaf.shape, leaf.dtype, sharding=sharding
        ),
        tree,
        shardings,
    )


def _name_steps(steps: list[int]) -> str:
    """Such as "steps 30 and 51"."""
    *before, last = map(str, steps)
    if not before:
        return f"step {last}"
    return f"steps {', '.join(before)} and {last}"
