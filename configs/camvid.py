"""CamVid at 480x360, 11 classes: a small real data set, also for CPUs.

    python -m ipixmatch_jax.main --config configs/camvid.py:tiny_1_8 \
        --config.data.root=DIR

The recipe is ours: short, from random weights for `tiny`; docs/results.md has
what it reaches. `r50c4` wants ImageNet weights (model.pretrained).
"""

from ml_collections import ConfigDict

from ipixmatch_jax.configs import common
from ipixmatch_jax.models.registry import BACKBONES

SPLITS = ("1_2", "1_4", "1_8", "1_16", "1_32")


def get_config(arg: str = "") -> ConfigDict:
    """The recipe of `<backbone>_<split>[,method=...]`, default tiny_1_8."""
    backbone, split, method = common.parse(arg, SPLITS, "tiny_1_8")
    c = common.base()
    c.data.name = "camvid"
    c.data.root = "data/camvid"
    c.data.split = split
    c.data.crop_size = 193
    c.model.backbone = backbone
    c.model.num_classes = 11
    c.train.steps = 1800
    c.train.batch_size = 4
    c.train.eval_every = 600
    c.train.save_every = 600
    c.train.learning_rate = 0.04
    c.train.head_multiplier = 1.0
    # A run this short has no time for a slow teacher or a strict one.
    c.ema.decay = 0.99
    c.pseudo_label.threshold = 0.9
    c.inter_pixel.weight = 0.1
    c.inter_pixel.threshold = 0.9
    c.inter_pixel.warmup_steps = 600
    c.evaluate.batch_size = 8
    c.update_from_flattened_dict(dict(BACKBONES[backbone].short_recipe))
    common.adapt_to_transformer(c)
    # FixMatch unless named: its step is the cheapest on a CPU.
    common.set_method(c, method or "fixmatch")
    return c
