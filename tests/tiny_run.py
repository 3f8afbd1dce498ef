"""The smallest run on the demo's scenes, for tests that train."""

from ipixmatch_jax.configs import shapes as shapes_config
from ipixmatch_jax.data.datasets import shapes
from ipixmatch_jax.distributed.mesh import make_mesh
from ipixmatch_jax.experiment.data import open_data
from ipixmatch_jax.experiment.resolve import resolve_config
from ipixmatch_jax.training import setup
from tests import two_convolutions


def tiny(**changes):
    """A config of four steps on one device, with an evaluation at the third.

    Its network is the one that compiles fastest, unless `model.backbone` is
    changed.
    """
    config = shapes_config.get_config()
    config.model.backbone = two_convolutions.NAME
    config.data.crop_size = 33
    config.train.batch_size = 2
    config.train.steps = 4
    config.train.eval_every = 3
    config.train.save_every = 100
    config.train.log_every = 3
    config.evaluate.batch_size = 4
    config.pseudo_label.threshold = 0.3
    config.inter_pixel.threshold = 0.3
    config.mesh.data = 1
    config.update_from_flattened_dict(changes)
    return config


def few_scenes(monkeypatch):
    """Reduces val to three scenes and test to two."""
    monkeypatch.setattr(shapes, "VAL", 3)
    monkeypatch.setattr(shapes, "TEST", 2)


def build(config, data=None):
    """The parts of a config's run, its data set opened."""
    data = open_data(config) if data is None else data
    resolved = resolve_config(config, data)
    mesh = make_mesh(resolved.mesh.data, resolved.mesh.fsdp)
    return setup.build(resolved, data, mesh)
