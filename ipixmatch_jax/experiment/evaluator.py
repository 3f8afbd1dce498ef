"""Builds the evaluator that a config describes."""

from jax.sharding import Mesh
from ml_collections import ConfigDict

from ipixmatch_jax.evaluate.evaluator import make_evaluator


def build_evaluator(config: ConfigDict, network, mesh: Mesh):
    """The evaluator that a config describes."""
    return make_evaluator(
        network,
        mode=config.evaluate.mode,
        crop_size=config.data.crop_size,
        num_classes=config.model.num_classes,
        batch_size=-(-config.evaluate.batch_size // mesh.size) * mesh.size,
        mesh=mesh,
    )
