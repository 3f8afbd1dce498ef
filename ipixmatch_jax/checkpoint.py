"""Saving and restoring a run; the only file that knows orbax."""

import pathlib
from typing import Any, NamedTuple

import jax
import orbax.checkpoint as ocp
from orbax.checkpoint.checkpoint_managers import preservation_policy


class Saved(NamedTuple):
    """What is known of the best evaluation so far.

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

    A checkpoint is the named trees of the train state (its step is the
    position in the data), the best score so far and the run's config. Saves
    are asynchronous; one that was cut off is ignored when restoring and
    cleared by the next.
    """

    def __init__(self, workdir: pathlib.Path):
        self.directory = (workdir / "checkpoints").absolute()
        policy = preservation_policy.AnyPreservationPolicy(
            [
                preservation_policy.LatestN(2),
                preservation_policy.BestN(get_metric_fn=_score, n=1),
            ]
        )
        # best_fn makes the manager write the scores down, so that the policy
        # still knows them after a restart.
        options = ocp.CheckpointManagerOptions(
            preservation_policy=policy, best_fn=_score
        )
        self._manager = ocp.CheckpointManager(self.directory, options=options)

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *exception) -> None:
        self._manager.close()

    def path(self, step: int) -> pathlib.Path:
        """The folder of the checkpoint after `step` steps."""
        return self.directory / str(step)

    def steps(self) -> list[int]:
        """The steps that can be restored, oldest first."""
        return sorted(self._manager.all_steps())

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
        meta = {"best": best._asdict(), "config": config}
        items = {name: ocp.args.StandardSave(t) for name, t in trees.items()}
        self._manager.save(
            step,
            args=ocp.args.Composite(meta=ocp.args.JsonSave(meta), **items),
            metrics={"miou": -1.0 if score is None else score},
            force=True,
        )

    def find(self, which: str) -> tuple[int, Saved]:
        """The step of the "best" or the "last" checkpoint, and the best.

        Raises:
          FileNotFoundError: it was not saved, or is gone.
        """
        steps = self.steps()
        if not steps:
            raise FileNotFoundError(
                f"{self.directory} holds no checkpoint yet: let the run reach "
                "its first train.save_every steps."
            )
        best, _ = self.restore_meta(steps[-1])
        step = best.step if which == "best" else steps[-1]
        if step not in steps:
            raise FileNotFoundError(
                f"{self.directory} has no evaluated checkpoint; those of "
                f"steps {steps} can be had with --checkpoint last."
            )
        return step, best

    def wait(self) -> None:
        """Returns when everything is on disk."""
        self._manager.wait_until_finished()

    def restore(self, step: int, like: dict[str, Any]) -> dict[str, Any]:
        """The named trees after `step` steps.

        Args:
          step: one of steps().
          like: trees of ShapeDtypeStruct with shardings; see abstract().
        """
        items = {name: ocp.args.StandardRestore(t) for name, t in like.items()}
        restored = self._manager.restore(step, args=ocp.args.Composite(**items))
        return {name: restored[name] for name in like}

    def restore_meta(self, step: int) -> tuple[Saved, dict]:
        """The best evaluation up to `step`, and the config of the run."""
        restored = self._manager.restore(
            step, args=ocp.args.Composite(meta=ocp.args.JsonRestore())
        )
        meta = restored["meta"]
        return Saved(**meta["best"]), meta["config"]


def abstract(tree, shardings):
    """ShapeDtypeStructs of a tree with the given shardings."""
    return jax.tree.map(
        lambda leaf, sharding: jax.ShapeDtypeStruct(
            leaf.shape, leaf.dtype, sharding=sharding
        ),
        tree,
        shardings,
    )
