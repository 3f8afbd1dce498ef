"""Scenes drawn from a seed: the demo, no download, minutes on two cores.

    python -m ipixmatch_jax.main --config configs/shapes.py \
        --workdir runs/shapes

512 training scenes, 32 of them labelled. The recipe is ours.
"""

from ml_collections import ConfigDict

from configs import common

SPLITS = ("1_16",)


def get_config(arg: str = "") -> ConfigDict:
    """The recipe of `<backbone>_<split>`, by default tiny_1_16."""
    backbone, split = common.parse(arg, SPLITS, "tiny_1_16")
    c = common.base()
    c.data.name = "shapes"
    c.data.split = split
    c.data.crop_size = 65
    c.model.backbone = backbone
    c.model.num_classes = 6
    c.train.steps = 600
    c.train.eval_every = 150
    c.train.save_every = 150
    c.train.learning_rate = 0.02
    c.train.head_multiplier = 1.0
    c.ema.decay = 0.99
    c.evaluate.batch_size = 16
    return c
