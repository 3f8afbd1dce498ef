"""Every field of a run, its unit and where its default comes from.

A data set's file starts from `base()` and changes what its recipe changes. A
field is overridden on the command line: `--config.train.steps=1000`.
docs/sources.md says which systems the sources are.
"""

from ml_collections import ConfigDict

from configs import methods


def base() -> ConfigDict:
    """The typed fields with the defaults that the data sets share."""
    c = ConfigDict()
    # supervised | mean_teacher | fixmatch | unimatch | augseg | cps: the host
    # that the inter-pixel term joins. The config's argument sets a method
    # with its recipe (`:r101_1_8,method=cps`); this field sets the loss alone.
    c.method = "unimatch"
    # ema: averaged weights label in eval mode (UniMatch V2); shared: the
    # student's own weights label (UniMatch v1).
    c.teacher = "ema"
    # Seeds the initial weights, the order of the images and every view.
    c.seed = 0
    # f32 | bf16: the network's arithmetic; losses and statistics stay f32.
    c.precision = "f32"

    c.train = t = ConfigDict()
    t.steps = 10_000  # optimiser steps
    # Labelled images a step, and as many unlabelled ones; 0 = as many as the
    # devices' memory holds, and learning_rate then goes with the batch.
    t.batch_size = 8
    t.reference_batch_size = 8  # the recipe's, which learning_rate is for
    # Micro-batches of a step, one after another: their mean gradient makes the
    # one update, in the memory of one. Batch norm sees a micro-batch at a
    # time, losses are means over its pixels, and ohem ranks among them.
    t.accumulate = 1
    t.learning_rate = 1e-3  # of the backbone, at step 0 (UniMatch v1, VOC)
    t.schedule = "poly"  # poly (UniMatch v1) | constant
    t.optimiser = "sgd"  # sgd: momentum 0.9 (UniMatch v1) | adam
    t.head_multiplier = 10.0  # head's rate / backbone's (UniMatch v1, VOC)
    t.weight_decay = 1e-4  # on every parameter (UniMatch v1)
    t.eval_every = 1_000  # steps between evaluations on val
    t.save_every = 1_000  # steps between checkpoints, beside evaluations
    t.log_every = 50  # steps between lines of metrics.jsonl

    c.data = d = ConfigDict()
    d.name = ""  # voc | cityscapes | camvid | shapes | folder | tfds
    d.root = ""  # the data set's folder
    d.splits_dir = ""  # folder of <split>/{labeled,unlabeled}.txt; "" = root's
    d.split = ""  # the labelled share, named as its folder is
    # folder, tfds: share of the labelled images that val gets without its own.
    d.holdout = 0.2
    d.tfds = ""  # tfds: the data set's name there
    d.image_feature = ""  # tfds: "" = the only one that it can be
    d.mask_feature = ""  # likewise
    d.crop_size = 321  # pixels, the side of a square (UniMatch v1, VOC)
    d.num_workers = 0  # processes that read and crop; 0 = threads of this one
    # Of the images: 1 grey, 2 grey and one more, 3 RGB, 4 RGB and one more
    # such as near infrared. Other numbers than 3: folder and tfds alone.
    d.channels = 3
    # imagenet: its mean and deviation, of three channels; data: those of the
    # training images, measured once, or mean and std where they are given.
    d.normalisation = "imagenet"
    d.mean = ""  # one number per channel on [0, 1], with commas; "" = measured
    d.std = ""  # likewise
    # device: views are computed inside the step; host: by the data pipeline.
    d.apply_views = "device"
    # stop | skip: what training does at a labelled image whose files cannot
    # be used. Unlabelled ones are always skipped, and counted; val never is.
    d.on_error = "stop"

    c.model = m = ConfigDict()
    m.backbone = "r101"  # r50 | r101 | tiny | r50c4 (r50 up to its layer3)
    m.stem = "deep"  # deep: three 3x3 (UniMatch v1) | 7x7: torchvision's
    m.output_stride = 16  # 16 | 8 (UniMatch v1: 16)
    # True: the backbone's activations are computed again for the gradient
    # instead of kept, block by block. The same numbers in less memory.
    m.remat = False
    m.num_classes = 0  # 0 = as many as the data set has
    # A file or a name of the hub (docs/weights.md), such as
    # timm/resnet101s.gluon_in1k; "" = random.
    m.pretrained = ""
    m.allow_missing = ""  # comma-separated prefixes that file may lack
    # Stages of the encoder that do not learn, with commas: stem, layer1 ..
    # layer4, or encoder for all; "" = none. Their batch norms keep to their
    # running statistics, as is usual with few labels.
    m.freeze = ""

    c.pseudo_label = ConfigDict()
    # Least softmax probability of a label that is learned from (UniMatch v1).
    c.pseudo_label.threshold = 0.95

    c.loss = ConfigDict()
    # ce | ohem | dice | ce+dice (their sum). Unlabelled losses have neither
    # Dice nor class weights.
    c.loss.labelled = "ce"
    # Of ce: none | balanced (all pixels / (classes x pixels of the class), of
    # the labelled masks) | one number per class, with commas.
    c.loss.class_weights = "none"
    c.loss.unlabelled_weight = 1.0  # factor of the method's unlabelled losses
    c.loss.ohem_threshold = 0.7  # probability (UniMatch v1, Cityscapes)
    c.loss.ohem_min_kept = 200_000  # pixels of 2 x 801 x 801 (the same)

    c.inter_pixel = i = ConfigDict()
    # All of these are our reading; the paper's values are not known to us. No
    # reading or weight was found ahead of another (docs/ablation.md): these
    # are the cheapest relation and a weight at which it pulls half as hard as
    # the pixel loss.
    i.relation = "channel"  # channel | affinity | pixel (no relation)
    # kl of all three; correlation of channel and affinity; mse of affinity.
    i.distance = "correlation"
    i.weight = 0.1  # factor of the term in the total; 0 leaves it out
    i.temperature = 1.0  # divides the logits of the kl distances
    i.threshold = 0.95  # least teacher probability of a compared pixel
    i.warmup_steps = 0  # steps over which the weight rises from 0, linearly
    # Pixels along a side of the tiles of affinity/kl, and an eighth of those
    # that the others take at a time on a CPU. There 256 and 1024 took 1.1 to
    # 1.5 times as long for affinity/kl, and no longer for the others; not tried
    # on a GPU.
    i.block = 512
    i.stride = 1  # compare every so-manieth row and column; 1 = all (exact)

    c.ema = ConfigDict()
    c.ema.decay = 0.996  # the teacher keeps this share a step (UniMatch V2)
    c.ema.rampup = True  # at step k no more than 1 - 1/(k+1) (UniMatch V2)
    c.ema.copy_steps = 0  # first steps after which the teacher is a copy

    c.evaluate = ConfigDict()
    c.evaluate.mode = "original"  # original | center_crop | sliding_window
    c.evaluate.batch_size = 4  # images a forward pass, over all devices

    c.mesh = ConfigDict()
    c.mesh.data = 0  # devices along the batch; 0 = all that fsdp leaves
    c.mesh.fsdp = 1  # devices over which parameters are sharded
    return c


def set_r50c4(c: ConfigDict) -> None:
    """A fine-tuning of ImageNet weights that a CPU does in minutes (ours)."""
    c.model.stem = "7x7"
    c.model.freeze = "stem,layer1"
    c.data.crop_size = 113
    c.train.steps = 600
    c.train.batch_size = 4
    c.train.learning_rate = 4e-3
    c.train.head_multiplier = 5.0
    c.train.eval_every = 300
    c.train.save_every = 300
    # A run this short has no time for a slow teacher or a strict one.
    c.ema.decay = 0.99
    c.pseudo_label.threshold = 0.9
    c.inter_pixel.threshold = 0.9
    c.inter_pixel.warmup_steps = 100


def parse(
    arg: str, splits: tuple[str, ...], default: str, method: str = "unimatch"
) -> tuple[str, str, str]:
    """`<backbone>_<split>[,method=<method>]` as its three words.

    Args:
      arg: of the config; empty means the default.
      splits: the data set's; none where the argument has no split.
      default: such as "r101_1_8".
      method: where the argument names none.

    Raises:
      ValueError: a word is wrong; the right ones are listed.
    """
    backbones = ("r50", "r101", "tiny", "r50c4")
    words, named, rest = arg.partition("method=")
    words = words.removesuffix(",") if named else words
    backbone, _, split = (words or default).partition("_")
    method = rest if named else method
    if named and method not in methods.NAMES:
        raise ValueError(
            f"The config argument {arg!r} names no method: the methods are "
            f"{' '.join(methods.NAMES)}; for example "
            f"{default},method={methods.NAMES[0]}."
        )
    if backbone not in backbones or split not in (splits or ("",)):
        form = "<backbone>_<split>" if splits else "<backbone>"
        listed = f", the splits are {' '.join(splits)}" if splits else ""
        raise ValueError(
            f"The config argument {arg!r} is not "
            f"{form}[,method=<method>]: the backbones are "
            f"{' '.join(backbones)}{listed}; for example {default}."
        )
    return backbone, split, method
