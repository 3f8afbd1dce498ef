"""Cityscapes (fine annotations), UniMatch v1's recipe and V2's.

    python -m ipixmatch_jax.main --config configs/cityscapes.py:r101_1_16
    python -m ipixmatch_jax.main --config configs/cityscapes.py:dinov2b_1_16

On a ResNet the method is UniMatch with an averaged teacher unless the argument
names another, which brings its own published recipe (its file in
ipixmatch_jax/methods/). A vision transformer has UniMatch V2's recipe, whatever
the method, and its method unless another is named. The learning rates assume
pretrained weights (model.pretrained). docs/methods.md has the scores that the
originals report; this project has not trained these recipes to their end.
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
# Over the unlabelled images: UniMatch v1, and V2 for transformers.
EPOCHS = 240
EPOCHS_V2 = 180


def get_config(arg: str = "") -> ConfigDict:
    """The recipe of `<backbone>_<split>[,method=...]`, default r101_1_16."""
    backbone, split, method = common.parse(arg, tuple(UNLABELLED), "r101_1_16")
    c = common.base()
    c.data.name = "cityscapes"
    c.data.root = "data/cityscapes"
    c.data.splits_dir = "data/splits/cityscapes"
    c.data.split = split
    c.data.num_workers = 8
    c.model.backbone = backbone
    c.model.num_classes = 19
    c.loss.labelled = "ohem"
    c.evaluate.mode = "sliding_window"
    c.evaluate.batch_size = 1
    if common.is_transformer(backbone):
        common.set_unimatch_v2(
            c,
            method or "unimatch_v2",
            crop_size=798,
            batch_size=8,
            epochs=EPOCHS_V2,
            unlabelled=UNLABELLED[split],
        )
        return c
    c.data.crop_size = 801
    # Four processes of two images each, the last short batch dropped.
    epoch = -(-UNLABELLED[split] // 4) // 2
    c.train.steps = EPOCHS * epoch
    c.train.eval_every = epoch
    c.train.learning_rate = 5e-3
    c.train.head_multiplier = 1.0
    # UniMatch v1 keeps every pseudo-label here; V2 keeps the confident ones.
    c.pseudo_label.threshold = 0.0
    common.set_method(c, method or "unimatch", UNLABELLED[split])
    return c
