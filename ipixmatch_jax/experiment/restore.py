"""The trained networks of a run, read from its workdir."""

import pathlib
from typing import NamedTuple

from jax.sharding import Mesh
from ml_collections import ConfigDict

from ipixmatch_jax.checkpoints.manager import Checkpoints, abstract
from ipixmatch_jax.configuration import saved
from ipixmatch_jax.distributed import mesh as sharding
from ipixmatch_jax.experiment import validate
from ipixmatch_jax.experiment.network import build_network, network_names
from ipixmatch_jax.models.heads.deeplab import DeepLabV3Plus
from ipixmatch_jax.models.segmenter import variable_shapes


class Trained(NamedTuple):
    """What one checkpoint of a run holds, without its optimiser.

    Attributes:
      config: the run's.
      step: steps done.
      better: the name of the network with the best score on val so far.
      network: applies the variables.
      variables: params and batch_stats by name, as parts.network_names has
        them; replicated over the mesh's devices.
      mesh: all devices.
    """

    config: ConfigDict
    step: int
    better: str
    network: DeepLabV3Plus
    variables: dict[str, dict]
    mesh: Mesh


def restore(
    workdir: pathlib.Path, which: str, root: str | None = None
) -> Trained:
    """Reads the networks of a run.

    Args:
      workdir: the run's.
      which: "best" or "last".
      root: the data set's folder, if it is not where it was.

    Raises:
      FileNotFoundError: the workdir is none, or has no such checkpoint.
      BrokenCheckpointError: that checkpoint is not as it was written; another
        one is not taken in its place.
    """
    config = saved.load(workdir)
    if root is not None:
        config.data.root = root
    validate.check(config)
    network = build_network(config)
    mesh = sharding.make_mesh(0, 1)
    shapes = variable_shapes(network)
    like = abstract(shapes, sharding.state_sharding(shapes, mesh))
    names = network_names(config)
    with Checkpoints(workdir, read_only=True) as checkpoints:
        step, best = checkpoints.find(which)
        variables = checkpoints.restore(step, dict.fromkeys(names, like))
    return Trained(config, step, best.network, network, variables, mesh)
