"""Logs a run to MLflow; needs the extra `loggers`.

The environment variables of MLflow choose the place: MLFLOW_TRACKING_URI and
MLFLOW_EXPERIMENT_NAME.
"""

import contextlib
import os
import time
from collections.abc import Mapping

import numpy as np

from ipixmatch_jax.configuration.check import flatten
from ipixmatch_jax.loggers import run_ids
from ipixmatch_jax.loggers.base import (
    PROJECT,
    Logged,
    LoggerKind,
    as_logger_errors,
)

_NAME = "mlflow"


class MlflowRun:
    """One run of MLflow; see base.Logger."""

    def __init__(self, logged: Logged):
        """Begins the run, or continues the one that the workdir notes."""
        import mlflow

        with _as_logger_errors():
            self._client = mlflow.MlflowClient()
            run_id = run_ids.read_id(logged.workdir, _NAME)
            if run_id is None:
                self._run_id = self._begin(logged)
            else:
                self._run_id = run_id
                self._client.update_run(run_id, status="RUNNING")

    def _begin(self, logged: Logged) -> str:
        from mlflow.entities import Param

        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or PROJECT
        experiment = self._client.get_experiment_by_name(name)
        run = self._client.create_run(
            experiment.experiment_id
            if experiment
            else self._client.create_experiment(name),
            run_name=logged.workdir.resolve().name,
        )
        run_id = run.info.run_id
        run_ids.write_id(logged.workdir, _NAME, run_id)
        # MLflow keeps the first value of a field, so those of a run that
        # continues with others are in its config.json alone.
        fields = flatten(logged.config).items()
        params = [Param(field, str(value)) for field, value in fields]
        self._client.log_batch(run_id, params=params)
        return run_id

    def write_scalars(self, step: int, values: Mapping[str, float]) -> None:
        """See base.Logger."""
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        points = [Metric(n, float(v), now, step) for n, v in values.items()]
        with _as_logger_errors():
            self._client.log_batch(self._run_id, metrics=points)

    def write_picture(self, step: int, name: str, picture: np.ndarray) -> None:
        """See base.Logger."""
        with _as_logger_errors():
            self._client.log_image(
                self._run_id, picture, artifact_file=f"{name}_{step}.png"
            )

    def close(self, *, failed: bool) -> None:
        """See base.Logger."""
        status = "FAILED" if failed else "FINISHED"
        with _as_logger_errors():
            self._client.set_terminated(self._run_id, status)


def _check_store() -> None:
    """Refuses a store that the installed parts of MLflow cannot use."""
    import mlflow

    try:
        mlflow.MlflowClient()
    except mlflow.MlflowException as error:
        raise ValueError(
            "config.loggers names mlflow, which cannot use its store "
            f"{mlflow.get_tracking_uri()}: set MLFLOW_TRACKING_URI to a "
            "server, such as http://127.0.0.1:5000, or install all of mlflow "
            f"({error})"
        ) from error


def _as_logger_errors() -> contextlib.AbstractContextManager[None]:
    from mlflow.exceptions import MlflowException

    return as_logger_errors(MlflowException, OSError)


LOGGER = LoggerKind(
    MlflowRun, package="mlflow", remote=True, check=_check_store
)
