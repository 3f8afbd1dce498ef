"""COCO 2017 (81 classes), UniMatch V2's recipe, and UniMatch v1's for ResNets.

    python -m ipixmatch_jax.main --config configs/coco.py:dinov2b_1_512
    python -m ipixmatch_jax.main --config configs/coco.py:r101_1_512

A vision transformer has UniMatch V2's recipe, whatever the method, and its
method unless another is named. On a ResNet the method is UniMatch with an
averaged teacher unless the argument names another, with v1's crop, rate, batch
and epochs; v1 itself trains an Xception-65 on COCO, which is not here. The
learning rates assume pretrained weights (model.pretrained). docs/data.md says
how to get the data, docs/methods.md has the scores that the originals report;
this project has not trained these recipes to their end.
"""

from ml_collections import ConfigDict

from ipixmatch_jax.configs import common

# Unlabelled images of each published split: the rest of 118,287.
UNLABELLED = {
    "1_512": 118055,
    "1_256": 117824,
    "1_128": 117362,
    "1_64": 116438,
    "1_32": 114590,
}
# Over the unlabelled images: V2 for transformers, and UniMatch v1.
EPOCHS_V2 = 20
EPOCHS = 30


def get_config(arg: str = "") -> ConfigDict:
    """The recipe of `<backbone>_<split>[,method=...]`.

    Without an argument it is that of dinov2b_1_512.
    """
    backbone, split, method = common.parse(
        arg, tuple(UNLABELLED), "dinov2b_1_512"
    )
    c = common.base()
    c.data.name = "coco"
    c.data.root = "data/coco"
    c.data.splits_dir = "data/splits/coco"
    c.data.split = split
    c.data.num_workers = 4
    c.model.backbone = backbone
    c.model.num_classes = 81
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
    c.data.crop_size = 513
    # Four processes of two images each, the last short batch dropped.
    epoch = -(-UNLABELLED[split] // 4) // 2
    c.train.steps = EPOCHS * epoch
    c.train.eval_every = epoch
    c.train.learning_rate = 4e-3
    common.set_method(c, method or "unimatch", UNLABELLED[split])
    return c
