"""PASCAL VOC 2012 with the SBD masks, UniMatch v1's recipe and V2's.

    python -m ipixmatch_jax.main --config configs/voc.py:r101_1_8
    python -m ipixmatch_jax.main --config configs/voc.py:r101_1_8,method=cps
    python -m ipixmatch_jax.main --config configs/voc.py:dinov2s_92

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
    "92": 10490,
    "183": 10399,
    "366": 10216,
    "732": 9850,
    "1464": 9118,
    "1_16": 9920,
    "1_8": 9259,
    "1_4": 7936,
    "u2pl_1_16": 9920,
    "u2pl_1_8": 9259,
    "u2pl_1_4": 7936,
}
# Over the unlabelled images: UniMatch v1, and V2 for transformers.
EPOCHS = 80
EPOCHS_V2 = 60


def get_config(arg: str = "") -> ConfigDict:
    """The recipe of `<backbone>_<split>[,method=...]`, default r101_1_8."""
    backbone, split, method = common.parse(arg, tuple(UNLABELLED), "r101_1_8")
    c = common.base()
    c.data.name = "voc"
    c.data.root = "data/voc"
    c.data.splits_dir = "data/splits/pascal"
    c.data.split = split
    c.data.num_workers = 4
    c.model.backbone = backbone
    c.model.num_classes = 21
    if common.is_transformer(backbone):
        common.set_unimatch_v2(
            c,
            method or "unimatch_v2",
            crop_size=518,
            batch_size=16,
            epochs=EPOCHS_V2,
            unlabelled=UNLABELLED[split],
        )
        return c
    # Four processes of two images each, the last short batch dropped.
    epoch = -(-UNLABELLED[split] // 4) // 2
    c.train.steps = EPOCHS * epoch
    c.train.eval_every = epoch
    common.set_method(c, method or "unimatch", UNLABELLED[split])
    return c
