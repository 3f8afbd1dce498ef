"""Scenes drawn from a seed: the demo, no download, minutes on two cores.

    python -m ipixmatch_jax.main --config configs/shapes.py \
        --workdir runs/shapes

256 training scenes, 16 of them labelled. The recipe is ours.
"""

from ml_collections import ConfigDict

from ipixmatch_jax.configs import common

SPLITS = ("1_16",)


def get_config(arg: str = "") -> ConfigDict:
    """The recipe of `<backbone>_<split>[,method=...]`, default tiny_1_16."""
    backbone, split, method = common.parse(arg, SPLITS, "tiny_1_16")
    c = common.base()
    c.data.name = "shapes"
    c.data.split = split
    c.data.crop_size = 49
    c.model.backbone = backbone
    c.model.num_classes = 6
    c.train.steps = 2000
    c.train.batch_size = 4
    c.train.eval_every = 500
    c.train.save_every = 500
    c.train.learning_rate = 0.03
    c.train.head_multiplier = 1.0
    # A run this short has no time for a slow teacher or a strict one.
    c.ema.decay = 0.99
    c.pseudo_label.threshold = 0.9
    c.inter_pixel.weight = 0.1
    c.inter_pixel.threshold = 0.9
    c.inter_pixel.warmup_steps = 500
    c.evaluate.batch_size = 16
    common.adapt_to_transformer(c)
    # FixMatch unless named: its step is the cheapest on a CPU.
    common.set_method(c, method or "fixmatch")
    return c
