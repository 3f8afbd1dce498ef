"""CamVid at 480x360, 11 classes: a small real data set, also for CPUs.

    python -m ipixmatch_jax.main --config configs/camvid.py:tiny_1_8 \
        --config.data.root=DIR

The recipe is ours: short, from random weights for `tiny`.
docs/results.md has what it reached.
"""

from ml_collections import ConfigDict

from configs import common

SPLITS = ("1_2", "1_4", "1_8", "1_16", "1_32")


def get_config(arg: str = "") -> ConfigDict:
    """The recipe of `<backbone>_<split>`, by default tiny_1_8."""
    backbone, split = common.parse(arg, SPLITS, "tiny_1_8")
    c = common.base()
    c.data.name = "camvid"
    c.data.root = "data/camvid"
    c.data.split = split
    c.data.crop_size = 193
    c.model.backbone = backbone
    c.model.num_classes = 11
    c.train.steps = 900
    c.train.eval_every = 150
    c.train.save_every = 150
    c.train.learning_rate = 0.02
    c.train.head_multiplier = 1.0
    c.ema.decay = 0.99
    return c
