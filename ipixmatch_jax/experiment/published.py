"""A network without its run: what `pull` makes of a repository of the hub.

Such a folder holds config.json, classes.json and perhaps results.json, as the
workdir of the run did, but one file of weights instead of checkpoints. The
commands that read a run read it too; training cannot continue it.
"""

import pathlib
from typing import NamedTuple

from ml_collections import FrozenConfigDict

from ipixmatch_jax.experiment.network import find_weights_loader
from ipixmatch_jax.models.segmenter import Segmenter, variable_shapes
from ipixmatch_jax.utils.atomic import write_json
from ipixmatch_jax.utils.json_files import read_json_object

FILE = "published.json"
WEIGHTS = "model.safetensors"
_WAY_OUT = "pull the repository again into another --workdir"


class Published(NamedTuple):
    """What is known of a published network.

    Attributes:
      network: its name in the run, such as "teacher".
      step: the steps that it was trained for.
      source: the repository or folder that it came from.
    """

    network: str
    step: int
    source: str


def write_published(about: Published, workdir: pathlib.Path) -> None:
    """Writes what is known of a network beside its weights."""
    write_json(workdir / FILE, about._asdict())


def read_published(workdir: pathlib.Path) -> Published | None:
    """What a folder notes of its network; None: this is no such folder.

    Raises:
      ValueError: the file is damaged.
    """
    path = workdir / FILE
    if not path.exists():
        return None
    fields = read_json_object(path, _WAY_OUT)
    try:
        return Published(
            str(fields["network"]), int(fields["step"]), str(fields["source"])
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} does not describe a network ({error!r}): {_WAY_OUT}."
        ) from error


def load_published(
    workdir: pathlib.Path, config: FrozenConfigDict, network: Segmenter
) -> dict:
    """The variables of a folder's network, float32 NumPy arrays.

    Raises:
      FileNotFoundError, ValueError: the weights are missing or do not fit.
    """
    load_weights = find_weights_loader(config)
    path = workdir / WEIGHTS
    return load_weights(str(path), variable_shapes(network), whole=True)


def refuse_training(workdir: pathlib.Path) -> None:
    """Refuses to train in a folder that holds a network without its run.

    Raises:
      ValueError: one sentence with the way out.
    """
    if read_published(workdir) is not None:
        raise ValueError(
            f"{workdir} holds a network of the hub, which cannot be continued: "
            "choose another --workdir, and add "
            f"--config.model.pretrained={workdir / WEIGHTS} to start from it."
        )
