"""The smallest run of the demo's scenes, for tests that train."""

from ipixmatch_jax.configs import shapes as shapes_config
from ipixmatch_jax.data.datasets import shapes


def tiny(**changes):
    """Four steps on one device, an evaluation after the third."""
    config = shapes_config.get_config()
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
    """Leaves three scenes to val and two to test."""
    monkeypatch.setattr(shapes, "VAL", 3)
    monkeypatch.setattr(shapes, "TEST", 2)
