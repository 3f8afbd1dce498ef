"""The fields of a run outside the sections data and model."""

from ipixmatch_jax.configuration.field import Field, factor, share, steps

RUN = (
    Field(
        "method",
        "unimatch",
        "The host that the inter-pixel term joins. The config's argument sets "
        "a method with its recipe (`:r101_1_8,method=cps`); this field sets "
        "the loss alone.",
        from_registry=True,
    ),
    Field(
        "plugins",
        "",
        "The modules outside this package that the names in this config come "
        "from, as FIELD=MODULE with commas. The run fills it in; give --plugin "
        "to use such a module.",
        left_open="",
        compiled=False,
    ),
    Field(
        "teacher",
        "ema",
        "Which weights label the unlabelled images. ema: averaged ones, in "
        "eval mode (UniMatch V2); shared: the student's own (UniMatch v1).",
        choices=("ema", "shared"),
    ),
    Field(
        "seed",
        0,
        "Draws the initial weights, the order of the images and every view.",
        least=0,
        most=2**32 - 1,
        compiled=False,
    ),
    Field(
        "precision",
        "f32",
        "The network's arithmetic. Losses and statistics stay in f32.",
        choices=("f32", "bf16"),
    ),
    Field(
        "loggers",
        "tensorboard",
        "Where the curves can be watched: any of tensorboard, wandb and "
        "mlflow, separated by commas; empty for none. The last two need the "
        "extra `loggers`. metrics.jsonl is written in any case.",
        compiled=False,
    ),
)

TRAIN = (
    steps("train.steps", 10_000, "Optimiser steps."),
    Field(
        "train.batch_size",
        8,
        "Labelled images in a step, and as many unlabelled ones: an even "
        "number and a multiple of the devices. 0 takes as many as the memory "
        "of the devices holds, and scales learning_rate to match.",
        unit="images",
        least=0,
        most=65_536,
        left_open=0,
    ),
    Field(
        "train.reference_batch_size",
        8,
        "The recipe's batch, for which learning_rate was chosen.",
        unit="images",
        least=0,
        most=65_536,
    ),
    Field(
        "train.scale_rate",
        False,
        "Scales learning_rate from reference_batch_size to batch_size: in "
        "proportion to the batch for sgd and adamw, with its square root for "
        "adam. batch_size=0 scales in any case.",
    ),
    Field(
        "train.accumulate",
        1,
        "Micro-batches in a step. They run one after another in the memory "
        "of one, and the mean of their gradients makes one update. Batch norm "
        "sees one micro-batch at a time, losses are means over its pixels, "
        "and ohem ranks within it.",
        unit="micro-batches",
        least=1,
        most=4096,
    ),
    Field(
        "train.learning_rate",
        1e-3,
        "The backbone's learning rate at step 0 (UniMatch v1, VOC).",
        least=0,
        most=1000,
    ),
    Field(
        "train.schedule",
        "poly",
        "How the learning rate changes: poly (UniMatch v1), or constant.",
        from_registry=True,
    ),
    Field(
        "train.optimiser",
        "sgd",
        "sgd has momentum 0.9 (UniMatch v1); adamw decays beside the "
        "gradient (UniMatch V2).",
        from_registry=True,
    ),
    Field(
        "train.head_multiplier",
        10.0,
        "The head's learning rate over the backbone's (UniMatch v1, VOC).",
        least=0,
        most=10_000,
    ),
    Field(
        "train.weight_decay",
        1e-4,
        "Weight decay of every parameter (UniMatch v1).",
        least=0,
        most=10,
    ),
    steps(
        "train.eval_every",
        1_000,
        "Steps between two evaluations on val.",
        compiled=False,
    ),
    steps(
        "train.save_every",
        1_000,
        "Steps between two checkpoints; evaluations save one too.",
        compiled=False,
    ),
    steps(
        "train.log_every",
        50,
        "Steps between two lines of metrics.jsonl.",
        compiled=False,
    ),
)

PSEUDO_LABEL = (
    share(
        "pseudo_label.threshold",
        0.95,
        "The least softmax probability of a pseudo-label that is learned from "
        "(UniMatch v1).",
    ),
)

LOSS = (
    Field(
        "loss.labelled",
        "ce",
        "The loss of labelled images; ce+dice is the sum of both. Unlabelled "
        "losses have neither Dice nor class weights.",
        from_registry=True,
    ),
    Field(
        "loss.class_weights",
        "none",
        "Weights of the classes in the cross entropy: none; balanced (all "
        "pixels of the labelled masks / (classes x pixels of the class)); or "
        "one number per class, separated by commas.",
        left_open="balanced",
    ),
    factor(
        "loss.unlabelled_weight",
        1.0,
        "Factor of the method's unlabelled losses.",
    ),
    share(
        "loss.ohem_threshold",
        0.7,
        "ohem learns from pixels whose true class has at most this "
        "probability (UniMatch v1, Cityscapes).",
    ),
    Field(
        "loss.ohem_min_kept",
        200_000,
        "The least number of pixels that ohem keeps in a batch; 0 keeps all. "
        "The default is for two crops of 801 x 801 (UniMatch v1, Cityscapes).",
        unit="pixels",
        least=0,
        most=2**31 - 1,
    ),
)

INTER_PIXEL = (
    Field(
        "inter_pixel.relation",
        "channel",
        "What is compared between teacher and student: for each class the "
        "pixels (channel), pairs of pixels (affinity), each pixel alone "
        "(pixel, a control without relations), both the pixels of a class and "
        "the classes of a pixel (dist), or each pixel's features with those of "
        "a few agent pixels (agents, with inter_pixel.on=features).",
        from_registry=True,
    ),
    Field(
        "inter_pixel.distance",
        "correlation",
        "How the relations are compared: kl goes with every relation but dist, "
        "correlation with channel, affinity and dist, mse with affinity.",
        from_registry=True,
    ),
    factor(
        "inter_pixel.weight",
        0.1,
        "Factor of the term in the total loss; 0 leaves the term out.",
    ),
    Field(
        "inter_pixel.temperature",
        1.0,
        "Divides the logits or similarities in the kl distances.",
        least=0,
        most=1e6,
        above_least=True,
    ),
    share(
        "inter_pixel.threshold",
        0.95,
        "The least teacher probability of a pixel that is compared; 0 compares "
        "all of them.",
    ),
    steps(
        "inter_pixel.warmup_steps",
        0,
        "Steps over which the weight rises linearly from 0.",
        least=0,
    ),
    Field(
        "inter_pixel.block",
        512,
        "affinity/kl: pixels along a side of a tile. agents/kl takes as many "
        "pixels at once. The other readings take "
        "four times as many pixels at once on a CPU. There 256 and 1024 took "
        "1.1 to 1.5 times as long for affinity/kl, and no longer for the "
        "others; not tried on a GPU.",
        unit="pixels",
        least=1,
        most=2**20,
    ),
    Field(
        "inter_pixel.stride",
        1,
        "Compares every n-th row and column; 1 compares all of them (exact).",
        unit="pixels",
        least=1,
        most=4096,
    ),
    Field(
        "inter_pixel.on",
        "logits",
        "The map that is compared: logits at the images' size; the head's own "
        "map, before it is brought to that size (head); that map averaged "
        "over the cells of the backbone's coarsest map (grid); or the head's "
        "features (features): the ASPP's output of deeplabv3plus, the fused "
        "map of dpt before its last two convolutions.",
        choices=("logits", "head", "grid", "features"),
    ),
    Field(
        "inter_pixel.agents",
        64,
        "agents: the pixels of an image that all of its pixels are compared "
        "with (RankMatch's number).",
        unit="pixels",
        least=1,
        most=4096,
    ),
    Field(
        "inter_pixel.labelled",
        False,
        "Whether labelled images are compared too, with the truth as teacher: "
        "one more pair, which counts as much as each pair of the method.",
    ),
)

EMA = (
    share(
        "ema.decay",
        0.996,
        "The share of the teacher that stays at each step (UniMatch V2).",
    ),
    Field(
        "ema.rampup",
        True,
        "Limits the decay at step k to 1 - 1/(k+1) (UniMatch V2).",
    ),
    steps(
        "ema.copy_steps",
        0,
        "First steps during which the teacher is a copy of the student.",
        least=0,
    ),
)

EVALUATE = (
    Field(
        "evaluate.mode",
        "original",
        "How val is scored: whole images, centre crops, or a sliding window.",
        choices=("original", "center_crop", "sliding_window"),
    ),
    Field(
        "evaluate.batch_size",
        4,
        "Images in a forward pass, over all devices.",
        unit="images",
        least=1,
        most=65_536,
    ),
)

MESH = (
    Field(
        "mesh.data",
        0,
        "Devices along the batch; 0 takes all that fsdp leaves.",
        unit="devices",
        least=0,
        most=65_536,
    ),
    Field(
        "mesh.fsdp",
        1,
        "Devices over which the parameters are sharded.",
        unit="devices",
        least=1,
        most=65_536,
    ),
)

INTER_PIXEL_NOTE = (
    "All of these are our reading; the paper's values are not known to us. No "
    "reading or weight was found ahead of another (docs/ablation.md): these "
    "are the cheapest relation and a weight at which it pulls half as hard as "
    "the pixel loss."
)
