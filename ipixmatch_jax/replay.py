"""Builds a batch of a run again, to look at what diverged."""

import pathlib
from typing import Any

from ipixmatch_jax.experiment.data import open_data
from ipixmatch_jax.experiment.run_config import load_run_config
from ipixmatch_jax.training.batches import make_batches


def batch(workdir: pathlib.Path, step: int) -> dict[str, Any]:
    """The batch of a run's step, built anew from its config and data.

    Args:
      workdir: the run's.
      step: as metrics.jsonl and divergence.FILE count: 1 is the first.

    Returns:
      the whole batch over all processes, as data/pipeline.py describes it.

    Raises:
      FileNotFoundError: the workdir holds no run, or the data are gone.
      ValueError: there is no such step, or the data do not fit.
    """
    if step < 1:
        raise ValueError(f"step={step}: the first step of a run is 1.")
    config = load_run_config(workdir)
    return make_batches(config, open_data(config))[step - 1]
