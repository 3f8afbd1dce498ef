"""The trained networks of a run, read from its workdir."""

import pathlib
from typing import NamedTuple

import jax
from jax.sharding import Mesh
from ml_collections import FrozenConfigDict

from ipixmatch_jax.checkpoints.manager import Checkpoints, abstract
from ipixmatch_jax.data.registry import DataSet
from ipixmatch_jax.distributed import mesh as sharding
from ipixmatch_jax.experiment.class_list import (
    RunClasses,
    check_same_classes,
    read_classes,
)
from ipixmatch_jax.experiment.data import check_classes, open_data
from ipixmatch_jax.experiment.network import build_network, network_names
from ipixmatch_jax.experiment.published import load_published, read_published
from ipixmatch_jax.experiment.resolve import change_fields
from ipixmatch_jax.experiment.run_config import load_run_config
from ipixmatch_jax.experiment.validate import check_config
from ipixmatch_jax.models.segmenter import Segmenter, variable_shapes


class Trained(NamedTuple):
    """What one checkpoint of a run holds, without its optimiser.

    Attributes:
      workdir: the run's.
      config: the run's, resolved.
      classes: that the run was trained with; None: it recorded none.
      step: steps done.
      better: the name of the network with the best score on val so far.
      network: applies the variables.
      variables: params and batch_stats by name, see network.network_names;
        replicated over the mesh's devices.
      mesh: all devices.
      scored: that network's mIoU on val in percent, where it is of this very
        checkpoint; None: it is not known.
    """

    workdir: pathlib.Path
    config: FrozenConfigDict
    classes: RunClasses | None
    step: int
    better: str
    network: Segmenter
    variables: dict[str, dict]
    mesh: Mesh
    scored: float | None = None


def load_checked_config(
    workdir: pathlib.Path, root: str | None = None
) -> FrozenConfigDict:
    """The config of a run, its fields checked.

    Args:
      workdir: the run's.
      root: the data set's folder, if it is not where it was.

    Raises:
      FileNotFoundError: the workdir holds no run.
      ValueError: a field has an impossible value.
    """
    config = load_run_config(workdir, root)
    check_config(config)
    return config


def restore_networks(
    workdir: pathlib.Path, which: str, root: str | None = None
) -> Trained:
    """Reads the networks of a run.

    Args:
      workdir: the run's.
      which: "best" or "last"; a network of the hub is both.
      root: the data set's folder, if it is not where it was.

    Raises:
      FileNotFoundError: the workdir holds no run, or no such checkpoint.
      BrokenCheckpointError: the checkpoint is damaged; no other one is used in
        its place.
    """
    config = load_checked_config(workdir, root)
    classes = read_classes(workdir)
    # The fused kernel is for training on a GPU; this may run anywhere.
    network = build_network(change_fields(config, {"model.attention": "xla"}))
    mesh = sharding.make_mesh(0, 1)
    shapes = variable_shapes(network)
    placement = sharding.state_sharding(shapes, mesh)
    published = read_published(workdir)
    if published is not None:
        name, step, _ = published
        loaded = load_published(workdir, config, network)
        variables = {name: jax.device_put(loaded, placement)}
        return Trained(
            workdir, config, classes, step, name, network, variables, mesh
        )
    like = abstract(shapes, placement)
    names = network_names(config)
    with Checkpoints(workdir, read_only=True) as checkpoints:
        step, best = checkpoints.find(which)
        variables = checkpoints.restore(step, dict.fromkeys(names, like))
    return Trained(
        workdir=workdir,
        config=config,
        classes=classes,
        step=step,
        better=best.network,
        network=network,
        variables=variables,
        mesh=mesh,
        scored=best.score if best.step == step else None,
    )


def reopen_data(config: FrozenConfigDict) -> DataSet:
    """The data set of a run's config.

    Raises:
      FileNotFoundError, ValueError: the data set cannot be opened. The
        sentence names --root, the flag of the commands that read a run.
    """
    try:
        return open_data(config)
    except (ValueError, FileNotFoundError) as error:
        words = str(error).replace("--config.data.root", "--root")
        raise type(error)(words) from error


def open_run_data(
    workdir: pathlib.Path, config: FrozenConfigDict
) -> tuple[DataSet, RunClasses]:
    """The data set of a run, and the class list that both share.

    Args:
      workdir: the run's.
      config: the run's.

    Raises:
      FileNotFoundError, ValueError: the data set cannot be opened; or its
        class list is not the run's, and the differences are named.
    """
    data = reopen_data(config)
    classes = check_same_classes(read_classes(workdir), data, workdir)
    check_classes(config, data)
    return data, classes
