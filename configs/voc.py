"""PASCAL VOC 2012 with the SBD masks, UniMatch v1's recipe.

    python -m ipixmatch_jax.main --config configs/voc.py:r101_1_8

The learning rates assume ImageNet weights (model.pretrained). UniMatch v1
with ResNet-101 at crop 321 reports 75.2 / 77.2 / 78.8 / 79.9 / 81.2 mIoU on
92 / 183 / 366 / 732 / 1464 labels with another host; this project has not
trained these recipes to their end.
"""

from ml_collections import ConfigDict

from configs import common

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
EPOCHS = 80  # over the unlabelled images (UniMatch v1)


def get_config(arg: str = "") -> ConfigDict:
    """The recipe of `<backbone>_<split>`, by default r101_1_8."""
    backbone, split = common.parse(arg, tuple(UNLABELLED), "r101_1_8")
    c = common.base()
    c.data.name = "voc"
    c.data.root = "data/voc"
    c.data.splits_dir = "data/splits/pascal"
    c.data.split = split
    c.data.num_workers = 4
    c.model.backbone = backbone
    c.model.num_classes = 21
    # Four processes of two images each, the last short batch dropped.
    epoch = -(-UNLABELLED[split] // 4) // 2
    c.train.steps = EPOCHS * epoch
    c.train.eval_every = epoch
    return c
