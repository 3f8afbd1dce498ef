"""The config of a run: config.json, or else what its checkpoints hold."""

import logging
import pathlib

from ml_collections import FrozenConfigDict

from ipixmatch_jax.checkpoints import folders
from ipixmatch_jax.configuration import saved

_LOGGER = logging.getLogger(__name__)


def find_run_config(
    workdir: pathlib.Path, root: str | None = None
) -> FrozenConfigDict | None:
    """The config of the run in a workdir; None if there is no run.

    Args:
      workdir: the run's.
      root: the data set's folder, if it is not where it was.

    Raises:
      ValueError: config.json is not a run's.
    """
    if (workdir / saved.FILE).exists():
        return saved.load_config(workdir, root)
    fields = folders.newest_config(workdir)
    if not fields:
        return None
    _LOGGER.warning(
        "%s has checkpoints but no %s: the config in the newest is taken.",
        workdir,
        saved.FILE,
    )
    return saved.complete_config(fields, root)


def load_run_config(
    workdir: pathlib.Path, root: str | None = None
) -> FrozenConfigDict:
    """`find_run_config`, which must find one.

    Raises:
      FileNotFoundError: the workdir holds no run.
      ValueError: config.json is not a run's.
    """
    config = find_run_config(workdir, root)
    if config is None:
        return saved.load_config(workdir, root)  # says what is missing
    return config
