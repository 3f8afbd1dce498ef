"""Makes a folder that the other commands use as a run's workdir."""

import pathlib
import shutil
from typing import Any

from ipixmatch_jax.configuration import saved
from ipixmatch_jax.evaluate.results_table import FILE as RESULTS
from ipixmatch_jax.experiment.class_list import FILE as CLASSES
from ipixmatch_jax.experiment.published import (
    WEIGHTS,
    Published,
    write_published,
)
from ipixmatch_jax.hub.model_card import LIBRARY
from ipixmatch_jax.hub.publish import CARD, CONFIG
from ipixmatch_jax.utils.atomic import write_json
from ipixmatch_jax.utils.json_files import read_json_object

FILES = (CONFIG, WEIGHTS, CARD, RESULTS)


def check_new(workdir: pathlib.Path) -> None:
    """Raises ValueError unless a folder is absent or empty."""
    if workdir.exists() and any(workdir.iterdir()):
        raise ValueError(
            f"{workdir} is not empty: give a new folder with --workdir."
        )


def make_workdir(
    snapshot: pathlib.Path, workdir: pathlib.Path, source: str
) -> Published:
    """Writes the files of a workdir from those of a repository.

    Args:
      snapshot: a folder with FILES.
      workdir: a new folder.
      source: the repository or folder, for the record.

    Returns:
      what is known of the network.

    Raises:
      ValueError, FileNotFoundError: the repository was not written by
        `push`; nothing is written.
    """
    about = _read_about(snapshot, source)
    try:
        network, step = str(about["network"]), int(about["step"])
        config, classes = about["config"], about["classes"]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{source}: {CONFIG} does not describe a network of {LIBRARY} "
            f"({error!r})."
        ) from error
    saved.complete_config(config)  # refuses fields of a wrong type
    workdir.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(snapshot / WEIGHTS, workdir / WEIGHTS)
    for name in (CARD, RESULTS):
        if (snapshot / name).exists():
            shutil.copyfile(snapshot / name, workdir / name)
    write_json(workdir / CLASSES, classes)
    published = Published(network, step, source)
    write_published(published, workdir)
    # The config makes the folder a run; it comes last.
    write_json(workdir / saved.FILE, config)
    return published


def _read_about(snapshot: pathlib.Path, source: str) -> dict[str, Any]:
    for name in (CONFIG, WEIGHTS):
        if not (snapshot / name).exists():
            raise FileNotFoundError(
                f"{source} has no {name}: it was not written by "
                "`ipixmatch push`."
            )
    about = read_json_object(snapshot / CONFIG, "pull it again").get(LIBRARY)
    if not isinstance(about, dict):
        raise ValueError(
            f"{source} is not a network of {LIBRARY}: its {CONFIG} lacks that "
            "entry. For weights alone give its name as "
            "--config.model.pretrained of training."
        )
    return about
