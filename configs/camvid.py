"""CamVid at 480x360, 11 classes: a small real data set, also for CPUs.

    python -m ipixmatch_jax.main --config configs/camvid.py:tiny_1_8 \
        --config.data.root=DIR

The recipe is ours: short, from random weights for `tiny`. It is not settled:
docs/results.md has what single runs reached.
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
    c.train.batch_size = 4
    c.train.eval_every = 300
    c.train.save_every = 300
    c.train.learning_rate = 0.03
    c.train.head_multiplier = 1.0
    # A run this short has no time for a slow teacher or a strict one.
    c.ema.decay = 0.97
    c.pseudo_label.threshold = 0.9
    c.inter_pixel.weight = 0.1
    c.inter_pixel.threshold = 0.9
    c.inter_pixel.warmup_steps = 300
    c.evaluate.batch_size = 8
    return c
