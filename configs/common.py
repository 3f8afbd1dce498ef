"""Every field of a run, its unit and where its default comes from.

A data set's file starts from `base()` and changes what its recipe changes. A
field is overridden on the command line: `--config.train.steps=1000`.
docs/sources.md says which systems the sources are.
"""

from ml_collections import ConfigDict


def base() -> ConfigDict:
    """The typed fields with the defaults that the data sets share."""
    c = ConfigDict()
    # supervised | fixmatch. FixMatch is the host that IPixMatch adds to (ours).
    c.method = "fixmatch"
    # ema: averaged weights label in eval mode (UniMatch V2); shared: the
    # student's own weights label (UniMatch v1).
    c.teacher = "ema"
    # Seeds the initial weights, the order of the images and every view.
    c.seed = 0
    # f32 | bf16: the network's arithmetic; losses and statistics stay f32.
    c.precision = "f32"

    c.train = t = ConfigDict()
    t.steps = 10_000  # optimiser steps
    t.batch_size = 8  # labelled images a step, and as many unlabelled ones
    t.learning_rate = 1e-3  # of the backbone, at step 0 (UniMatch v1, VOC)
    t.head_multiplier = 10.0  # head's rate / backbone's (UniMatch v1, VOC)
    t.weight_decay = 1e-4  # on every parameter (UniMatch v1)
    t.eval_every = 1_000  # steps between evaluations on val
    t.save_every = 1_000  # steps between checkpoints, beside evaluations
    t.log_every = 50  # steps between lines of metrics.jsonl

    c.data = d = ConfigDict()
    d.name = ""  # voc | cityscapes | camvid | shapes
    d.root = ""  # the data set's folder
    d.splits_dir = ""  # folder of <split>/{labeled,unlabeled}.txt; "" = root's
    d.split = ""  # the labelled share, named as its folder is
    d.crop_size = 321  # pixels, the side of a square (UniMatch v1, VOC)
    d.num_workers = 0  # processes that read and crop; 0 = threads of this one
    # device: views are computed inside the step; host: by the data pipeline.
    d.apply_views = "device"

    c.model = m = ConfigDict()
    m.backbone = "r101"  # r50 | r101 | tiny
    m.stem = "deep"  # deep: three 3x3 (UniMatch v1) | 7x7: torchvision's
    m.output_stride = 16  # 16 | 8 (UniMatch v1: 16)
    m.num_classes = 0  # 0 until the data set's file sets it
    m.pretrained = ""  # a .safetensors file of ImageNet weights; "" = random
    m.allow_missing = ""  # comma-separated prefixes that file may lack

    c.pseudo_label = ConfigDict()
    # Least softmax probability of a label that is learned from (UniMatch v1).
    c.pseudo_label.threshold = 0.95

    c.loss = ConfigDict()
    c.loss.labelled = "ce"  # ce | ohem
    c.loss.ohem_threshold = 0.7  # probability (UniMatch v1, Cityscapes)
    c.loss.ohem_min_kept = 200_000  # pixels of 2 x 801 x 801 (the same)

    c.inter_pixel = i = ConfigDict()
    # All of these are our reading; the paper's values are not known to us.
    i.relation = "channel"  # channel | pixel
    i.distance = "correlation"  # channel: kl, correlation; pixel: kl
    i.weight = 0.1  # factor of the term in the total; 0 leaves it out
    i.temperature = 1.0  # divides the logits of the kl distances
    i.threshold = 0.95  # least teacher probability of a compared pixel
    i.warmup_steps = 0  # steps over which the weight rises from 0, linearly

    c.ema = ConfigDict()
    c.ema.decay = 0.996  # the teacher keeps this share a step (UniMatch V2)
    c.ema.rampup = True  # at step k no more than 1 - 1/(k+1) (UniMatch V2)

    c.evaluate = ConfigDict()
    c.evaluate.mode = "original"  # original | center_crop | sliding_window
    c.evaluate.batch_size = 4  # images a forward pass, over all devices

    c.mesh = ConfigDict()
    c.mesh.data = 0  # devices along the batch; 0 = all that fsdp leaves
    c.mesh.fsdp = 1  # devices over which parameters are sharded
    return c


def parse(arg: str, splits: tuple[str, ...], default: str) -> tuple[str, str]:
    """`<backbone>_<split>` -> (backbone, split); lists the right ones."""
    backbones = ("r50", "r101", "tiny")
    backbone, _, split = (arg or default).partition("_")
    if backbone not in backbones or split not in splits:
        raise ValueError(
            f"The config argument {arg!r} is not <backbone>_<split>: the "
            f"backbones are {' '.join(backbones)}, the splits are "
            f"{' '.join(splits)}; for example {default}."
        )
    return backbone, split
