"""ADE20K (150 classes), UniMatch V2's recipe, and PrevMatch's for ResNets.

    python -m ipixmatch_jax.main --config configs/ade20k.py:dinov2b_1_16
    python -m ipixmatch_jax.main --config configs/ade20k.py:r101_1_16

A vision transformer has UniMatch V2's recipe, whatever the method, and its
method unless another is named; none of its stages is frozen, as in V2's table.
On a ResNet the method is UniMatch with an averaged teacher unless the argument
names another, with the crop, rate, batch and epochs of PrevMatch's config. The
learning rates assume pretrained weights (model.pretrained). docs/data.md says
how to get the data, docs/methods.md has the scores that the originals report;
this project has not trained these recipes to their end.
"""

from ml_collections import ConfigDict

from ipixmatch_jax.configs import common

# Unlabelled images of each published split.
UNLABELLED = {
    "1_64": 19894,
    "1_32": 19579,
    "1_16": 18947,
    "1_8": 17684,
    "1_4": 15158,
    "1_2": 10105,
}
# Over the unlabelled images: V2 for transformers, PrevMatch for ResNets.
EPOCHS_V2 = 60
EPOCHS = 40


def get_config(arg: str = "") -> ConfigDict:
    """The recipe of `<backbone>_<split>[,method=...]`, default dinov2b_1_16."""
    backbone, split, method = common.parse(
        arg, tuple(UNLABELLED), "dinov2b_1_16"
    )
    c = common.base()
    c.data.name = "ade20k"
    c.data.root = "data/ade20k"
    c.data.splits_dir = "data/splits/ade20k"
    c.data.split = split
    c.data.num_workers = 4
    c.model.backbone = backbone
    c.model.num_classes = 150
    if common.is_transformer(backbone):
        common.set_unimatch_v2(
            c,
            method or "unimatch_v2",
            crop_size=518,
            batch_size=8,
            epochs=EPOCHS_V2,
            unlabelled=UNLABELLED[split],
        )
        return c
    c.data.crop_size = 513
    # Two processes of four images each, the last short batch dropped.
    epoch = -(-UNLABELLED[split] // 2) // 4
    c.train.steps = EPOCHS * epoch
    c.train.eval_every = epoch
    c.train.learning_rate = 4e-3
    common.set_method(c, method or "unimatch", UNLABELLED[split])
    return c
