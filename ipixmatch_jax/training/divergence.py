"""Ends a run whose updates stay non-finite, and records their images."""

import collections
import logging
import pathlib
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from ipixmatch_jax.data.registry import DataSet
from ipixmatch_jax.utils.atomic import write_json
from ipixmatch_jax.utils.errors import RunError
from ipixmatch_jax.utils.file_names import printable
from ipixmatch_jax.utils.json_files import read_json_object

_LOGGER = logging.getLogger(__name__)
# Skipped updates in a row after which a run has diverged.
PATIENCE = 10
# In the workdir: the images of these updates.
FILE = "diverged_inputs.json"


class DivergenceError(RunError):
    """Too many updates in a row were not finite."""


class Watch:
    """Remembers the images of the last steps, and ends a diverged run."""

    def __init__(self, data: DataSet, workdir: pathlib.Path):
        """Takes the data set that batches come from, and the run's folder."""
        self._data = data
        self._path = workdir / FILE
        # The metrics of a step are read one step late.
        self._batches: collections.deque[tuple[int, dict]] = collections.deque(
            maxlen=PATIENCE + 1
        )

    def note_batch(self, step: int, batch: dict[str, Any]) -> None:
        """Remembers which images a batch of data/pipeline.py holds."""
        kinds = [kind for kind in ("labelled", "unlabelled") if kind in batch]
        self._batches.append((step, {k: batch[k]["index"] for k in kinds}))

    def stop_if_diverged(
        self, step: int, metrics: dict, last: Callable
    ) -> None:
        """Ends a run whose last updates were all skipped.

        Every process must call it. The first one writes FILE, with the step,
        the terms that are not finite, the last checkpoint, and "inputs": the
        "step" of each of these updates, and under "labelled" and "unlabelled"
        the "names" of its images over all processes and their "index" in the
        source.

        Args:
          step: the step that gave the metrics.
          metrics: of step.train_step.
          last: () -> path of the last checkpoint; None before the first.

        Raises:
          DivergenceError: PATIENCE updates in a row were not finite.
        """
        if int(metrics["skipped_in_a_row"]) < PATIENCE:
            return
        terms = [
            name
            for name, value in metrics.items()
            if name.startswith(("loss", "grad"))
            and not np.isfinite(value).all()
        ]
        inputs = [
            self._named(of, positions)
            for of, positions in self._batches
            if step - PATIENCE < of <= step
        ]
        newest = str(last() or "none was saved yet")
        if jax.process_index() == 0:
            inputs = self._before(step, inputs) + inputs
            what = {"step": step, "not_finite": terms, "checkpoint": newest}
            write_json(self._path, what | {"inputs": inputs})
        raise DivergenceError(
            f"{PATIENCE} updates in a row were not finite, the last at step "
            f"{step} ({', '.join(terms)}); the weights are those before them. "
            f"Last good checkpoint: {newest}. The images of these updates: "
            f"{self._path}. A lower --config.train.learning_rate is the usual "
            "way out."
        )

    def _named(self, step: int, positions: dict[str, np.ndarray]) -> dict:
        """One of the "inputs", from the positions of this process."""
        named: dict[str, Any] = {"step": step}
        for kind, index in positions.items():
            if jax.process_count() > 1:
                index = multihost_utils.process_allgather(index, tiled=True)
            index = np.asarray(index).tolist()
            source = getattr(self._data, kind)
            names = [printable(source.name(i)) for i in index]
            named[kind] = {"names": names, "index": index}
        return named

    def _before(self, step: int, inputs: list[dict]) -> list[dict]:
        """The "inputs" that an earlier process of this run recorded."""
        if not self._path.exists():
            return []
        first = min((one["step"] for one in inputs), default=step + 1)
        try:
            written = read_json_object(self._path, "it is written anew")
            return [
                one
                for one in written["inputs"]
                if step - PATIENCE < one["step"] < first
            ]
        except (OSError, ValueError, KeyError, TypeError) as error:
            _LOGGER.warning("%s is left out: %s", self._path, error)
            return []
