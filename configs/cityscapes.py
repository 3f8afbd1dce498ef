"""Cityscapes (fine annotations), UniMatch v1's recipe.

    python -m ipixmatch_jax.main --config configs/cityscapes.py:r101_1_16

The method is UniMatch with an averaged teacher unless the argument names
another, which brings its own published recipe (its file in
ipixmatch_jax/methods/). The learning rates assume ImageNet weights
(model.pretrained). docs/methods.md has the scores that the originals report;
this project has not trained these recipes to their end.
"""

from ml_collections import ConfigDict

from ipixmatch_jax.configs import common

# Unlabelled images of each published split.
UNLABELLED = {
    "1_30": 2875,
    "1_16": 2789,
    "1_8": 2603,
    "1_4": 2231,
    "1_2": 1487,
}
EPOCHS = 240  # over the unlabelled images (UniMatch v1)


def get_config(arg: str = "") -> ConfigDict:
    """The recipe of `<backbone>_<split>[,method=...]`, default r101_1_16."""
    backbone, split, method = common.parse(arg, tuple(UNLABELLED), "r101_1_16")
    c = common.base()
    c.data.name = "cityscapes"
    c.data.root = "data/cityscapes"
    c.data.splits_dir = "data/splits/cityscapes"
    c.data.split = split
    c.data.crop_size = 801
    c.data.num_workers = 8
    c.model.backbone = backbone
    c.model.num_classes = 19
    # Four processes of two images each, the last short batch dropped.
    epoch = -(-UNLABELLED[split] // 4) // 2
    c.train.steps = EPOCHS * epoch
    c.train.eval_every = epoch
    c.train.learning_rate = 5e-3
    c.train.head_multiplier = 1.0
    c.loss.labelled = "ohem"
    # UniMatch v1 keeps every pseudo-label here.
    c.pseudo_label.threshold = 0.0
    c.evaluate.mode = "sliding_window"
    c.evaluate.batch_size = 1
    common.set_method(c, method or "unimatch", UNLABELLED[split])
    return c
