"""The package from Python; docs/api.md shows it at work.

import ipixmatch_jax as ipx

The commands do their work through these functions or through what lies
beneath them, so both give the same numbers.
"""

import dataclasses
import os
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

from absl import flags
from ml_collections import ConfigDict

from ipixmatch_jax.configuration import files
from ipixmatch_jax.configuration.plugins import load_plugins
from ipixmatch_jax.evaluate.results_table import read_results
from ipixmatch_jax.losses.inter_pixel import inter_pixel_loss
from ipixmatch_jax.predict.model import Model, load_model
from ipixmatch_jax.report.build import IMAGES, write_report
from ipixmatch_jax.training import loop

__all__ = [
    "Model",
    "TrainingRun",
    "config",
    "inter_pixel_loss",
    "load",
    "train",
]


def config(
    file: str | os.PathLike, fields: Mapping[str, Any] | None = None
) -> ConfigDict:
    """The config of a file, with some fields changed.

    Args:
      file: `FILE[:ARGUMENT]` as of the command's --config: a path, or the
        name of a config that comes with the package, such as
        "folder.py:tiny".
      fields: values by field, such as {"train.steps": 300}.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: a field does not exist, or its value has another type.
    """
    return files.load_file(os.fspath(file), fields)


@dataclasses.dataclass(frozen=True)
class TrainingRun:
    """A run in its workdir, after `train`.

    Attributes:
      workdir: holds config.json, metrics.jsonl, checkpoints/ and, of a
        finished run, results.json and pictures.png.
      exit_code: 0 where the run finished; 143 or 130 where it stopped on a
        signal, after a save, and `train` continues it.
    """

    workdir: pathlib.Path
    exit_code: int

    @property
    def finished(self) -> bool:
        """Whether all steps are done."""
        return self.exit_code == 0

    @property
    def results(self) -> dict[str, Any]:
        """What results.json holds.

        Raises:
          FileNotFoundError: the run has not finished.
        """
        return read_results(self.workdir)

    @property
    def scores(self) -> dict[str, float]:
        """mIoU in percent of the best checkpoint, on "val" and "test"."""
        best = self.results["best"]
        return {s: best[s]["miou"] for s in ("val", "test") if s in best}

    @property
    def best_step(self) -> int:
        """The step of the best checkpoint."""
        return self.results["best"]["step"]

    @property
    def paths(self) -> dict[str, pathlib.Path]:
        """The files of the finished run, by what they hold."""
        written = self.results["files"]
        return {what: pathlib.Path(path) for what, path in written.items()}

    def write_report(
        self, out: str | os.PathLike | None = None, *, images: int = IMAGES
    ) -> pathlib.Path:
        """Writes the run as one HTML page, as the command `report` does.

        Args:
          out: the file; None: report.html in the workdir.
          images: how many val images to show, half of them the worst.

        Returns:
          the file.
        """
        path = None if out is None else pathlib.Path(out)
        return write_report([self.workdir], path, images=images)


def train(
    config: ConfigDict,
    workdir: str | os.PathLike,
    *,
    continue_from: str | os.PathLike | None = None,
) -> TrainingRun:
    """Trains a config, or continues the run in the workdir.

    SIGINT and SIGTERM save and end the run, as they do in the command.

    Args:
      config: see `config`; it is not changed.
      workdir: gets the checkpoints, metrics and pictures.
      continue_from: "RUN", "RUN:best" or "RUN:last", the workdir of another
        run: a new run starts with the weights of that checkpoint, at step 0
        and with an optimiser of its own. The other run is only read.

    Raises:
      ValueError, FileNotFoundError: the config, the data or the other run do
        not fit.
      DivergenceError: ten updates in a row were not finite.
      BrokenCheckpointError: none of the workdir's checkpoints is whole.
      NotSavedError: the disk refused the last save.
    """
    # The data pipeline reads absl flags, which a command has parsed.
    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()
    folder = pathlib.Path(workdir)
    code = loop.train(config, folder, continue_from=continue_from)
    return TrainingRun(folder, code)


def load(
    workdir: str | os.PathLike,
    *,
    which: str = "best",
    network: str = "best",
    root: str | os.PathLike | None = None,
    plugins: Iterable[str] = (),
) -> Model:
    """Loads a trained network of a run.

    Args:
      workdir: of the run.
      which: "best", the checkpoint with the best score on val, or "last".
      network: "best", "student", "teacher" or "twin".
      root: the data set's folder, if it moved.
      plugins: names of modules to import first, which register the run's own
        methods, networks or data sets.

    Raises:
      FileNotFoundError: this is not the workdir of a run, or it has no such
        checkpoint.
      ValueError: the run has no such network.
      BrokenCheckpointError: the checkpoint is damaged.
    """
    load_plugins(list(plugins))
    return load_model(
        pathlib.Path(workdir),
        checkpoint=which,
        network=network,
        root=None if root is None else os.fspath(root),
    )
