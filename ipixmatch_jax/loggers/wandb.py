"""Logs a run to Weights & Biases; needs the extra `loggers`.

The environment variables of wandb choose the place: WANDB_PROJECT, WANDB_MODE
(offline writes below the workdir, for `wandb sync`) and the others of its
manual.
"""

import contextlib
import os
import uuid
from collections.abc import Mapping

import numpy as np

from ipixmatch_jax.loggers import run_ids
from ipixmatch_jax.loggers.base import (
    PROJECT,
    Logged,
    LoggerKind,
    as_logger_errors,
)

_NAME = "wandb"


class WandbRun:
    """One run of wandb; see base.Logger."""

    def __init__(self, logged: Logged):
        """Begins the run, or continues the one that the workdir notes."""
        import wandb

        run_id = run_ids.read_id(logged.workdir, _NAME)
        if run_id is None:
            run_id = uuid.uuid4().hex
        with _as_logger_errors():
            self._run = wandb.init(
                project=os.environ.get("WANDB_PROJECT") or PROJECT,
                name=logged.workdir.resolve().name,
                id=run_id,
                resume="allow",
                dir=str(logged.workdir),
                config=dict(logged.config),
                allow_val_change=True,
                reinit="create_new",
                # The run has a bar of its own.
                settings=wandb.Settings(console="off"),
            )
            # wandb refuses to go back in its own count of steps, as a run
            # does that continues from a checkpoint.
            self._run.define_metric("*", step_metric="step")
        run_ids.write_id(logged.workdir, _NAME, run_id)

    def write_scalars(self, step: int, values: Mapping[str, float]) -> None:
        """See base.Logger."""
        with _as_logger_errors():
            self._run.log({"step": step, **values})

    def write_picture(self, step: int, name: str, picture: np.ndarray) -> None:
        """See base.Logger."""
        import wandb

        with _as_logger_errors():
            self._run.log({"step": step, name: wandb.Image(picture)})

    def close(self, *, failed: bool) -> None:
        """See base.Logger."""
        with _as_logger_errors():
            self._run.finish(exit_code=int(failed))


def _check_login() -> None:
    """Refuses to begin without a key, for which wandb would ask."""
    import wandb

    if wandb.setup().settings.mode not in ("online", "shared"):
        return
    with contextlib.suppress(wandb.errors.UsageError):
        if wandb.login(prompt=False):
            return
    raise ValueError(
        "config.loggers names wandb, which has no key here: run `wandb login`, "
        "or set WANDB_MODE=offline."
    )


def _as_logger_errors() -> contextlib.AbstractContextManager[None]:
    import wandb

    return as_logger_errors(wandb.errors.Error, OSError)


LOGGER = LoggerKind(WandbRun, package="wandb", remote=True, check=_check_login)
