"""The workdir of a run whose network has random weights."""

import jax
import jax.numpy as jnp

from ipixmatch_jax.checkpoints.manager import Checkpoints, Saved
from ipixmatch_jax.configuration import saved
from ipixmatch_jax.experiment.class_list import classes_of, write_classes
from ipixmatch_jax.experiment.data import open_data
from ipixmatch_jax.models import registry
from tests import golden, tiny_run, two_convolutions


def write_run(path, backbone=two_convolutions.NAME):
    """Writes a run of the demo's six classes after three steps.

    Args:
      path: the workdir to make.
      backbone: other processes know those of the package alone.
    """
    path.mkdir(parents=True)
    config = tiny_run.tiny(**{"model.backbone": backbone})
    saved.save_config(config, path)
    write_classes(classes_of(open_data(config)), path)
    variables = golden.random_variables(
        registry.build(backbone, config.model.num_classes), 1
    )
    variables = jax.tree.map(jnp.asarray, variables)
    trees = {"student": variables, "teacher": variables}
    with Checkpoints(path) as checkpoints:
        best = Saved(70.0, 3, "teacher")
        checkpoints.save(3, trees, best, config.to_dict(), 70.0)
        checkpoints.wait()
    return path
