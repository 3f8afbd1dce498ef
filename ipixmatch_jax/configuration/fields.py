"""Every field of a config: the one table that the others are made from.

common.base(), the checks of values, the flags, docs/config_reference.md and
the key of a sweep's compiled programs follow from it. docs/sources.md says
which systems the sources in brackets are.
"""

import difflib
from collections.abc import Mapping
from typing import Any, NamedTuple

from ipixmatch_jax.configuration.field import Field

# Steps are counted in int32.
MOST_STEPS = 2**31 - 1


class Section(NamedTuple):
    """Fields that belong together.

    Attributes:
      name: such as "train"; "" for the fields at the top.
      note: on all of them, or "".
      fields: in the order of the reference.
    """

    name: str
    note: str
    fields: tuple[Field, ...]


def _share(path: str, default: float, meaning: str, **more) -> Field:
    return Field(path, default, meaning, least=0, most=1, **more)


def _factor(path: str, default: float, meaning: str, **more) -> Field:
    return Field(path, default, meaning, least=0, most=1e6, **more)


def _steps(path: str, default: int, meaning: str, least: int = 1, **more):
    return Field(
        path,
        default,
        meaning,
        unit="steps",
        least=least,
        most=MOST_STEPS,
        **more,
    )


_RUN = (
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
)

_TRAIN = (
    _steps("train.steps", 10_000, "Optimiser steps."),
    Field(
        "train.batch_size",
        8,
        "Labelled images in a step, and as many unlabelled ones. 0 takes as "
        "many as the memory of the devices holds, and scales learning_rate "
        "to match.",
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
        "sgd has momentum 0.9 (UniMatch v1).",
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
    _steps(
        "train.eval_every",
        1_000,
        "Steps between two evaluations on val.",
        compiled=False,
    ),
    _steps(
        "train.save_every",
        1_000,
        "Steps between two checkpoints; evaluations save one too.",
        compiled=False,
    ),
    _steps(
        "train.log_every",
        50,
        "Steps between two lines of metrics.jsonl.",
        compiled=False,
    ),
)

_DATA = (
    Field("data.name", "", "The data set.", from_registry=True, compiled=False),
    Field("data.root", "", "The data set's folder.", compiled=False),
    Field(
        "data.splits_dir",
        "",
        "The folder that holds <split>/{labeled,unlabeled}.txt; empty: "
        "splits/ in the data set's folder.",
        compiled=False,
    ),
    Field(
        "data.split",
        "",
        "The labelled share, by the name of its folder of lists.",
        compiled=False,
    ),
    _share(
        "data.holdout",
        0.2,
        "folder and tfds: the share of the labelled images that val gets "
        "where the data set has no val of its own.",
        compiled=False,
    ),
    Field(
        "data.tfds", "", "tfds: the data set's name in TFDS.", compiled=False
    ),
    Field(
        "data.image_feature",
        "",
        "tfds: the feature that holds the image; empty: the only one that can.",
        compiled=False,
    ),
    Field(
        "data.mask_feature",
        "",
        "tfds: the feature that holds the mask; empty: the only one that can.",
        compiled=False,
    ),
    Field(
        "data.crop_size",
        321,
        "Side of the square training crops (UniMatch v1, VOC).",
        unit="pixels",
        least=17,
        most=16_384,
    ),
    Field(
        "data.num_workers",
        0,
        "Processes that read and crop images; 0 uses threads of the training "
        "process.",
        unit="processes",
        least=0,
        most=1024,
        compiled=False,
    ),
    Field(
        "data.channels",
        3,
        "Channels of the images: 1 grey, 2 grey and another, 3 RGB, 4 RGB and "
        "another such as near infrared. Only folder and tfds take other "
        "numbers than 3.",
        choices=(1, 2, 3, 4),
    ),
    Field(
        "data.normalisation",
        "imagenet",
        "imagenet: the mean and deviation of ImageNet's three channels; data: "
        "those of the training images, measured once, or data.mean and "
        "data.std where they are given.",
        choices=("imagenet", "data"),
    ),
    Field(
        "data.mean",
        "",
        "One number per channel on [0, 1], separated by commas; empty: "
        "measured where normalisation is data.",
        left_open="",
    ),
    Field(
        "data.std",
        "",
        "The deviations, written as data.mean is.",
        left_open="",
    ),
    Field(
        "data.apply_views",
        "device",
        "Where views are computed: on the device, inside the step, or on the "
        "host, by the data pipeline.",
        choices=("device", "host"),
    ),
    Field(
        "data.on_error",
        "stop",
        "Whether training stops at a labelled image whose files cannot be "
        "used, or skips it. It always skips and counts such unlabelled "
        "images, and never skips one of val.",
        choices=("stop", "skip"),
        compiled=False,
    ),
)

_MODEL = (
    Field(
        "model.backbone",
        "r101",
        "The network that makes the features.",
        from_registry=True,
    ),
    Field(
        "model.head",
        "",
        "The network that makes class scores of the features; empty: the one "
        "that goes with the backbone.",
        from_registry=True,
    ),
    Field(
        "model.stem",
        "deep",
        "The first layers of a ResNet: deep is three 3x3 convolutions "
        "(UniMatch v1), 7x7 is torchvision's one.",
        choices=("deep", "7x7"),
    ),
    Field(
        "model.output_stride",
        16,
        "Image pixels per feature along a side of a ResNet (UniMatch v1: 16).",
        choices=(8, 16),
    ),
    Field(
        "model.remat",
        False,
        "Computes the backbone's activations again for the gradient, block by "
        "block, instead of keeping them: the same numbers in less memory.",
    ),
    Field(
        "model.num_classes",
        0,
        "0 takes as many as the data set has.",
        unit="classes",
        least=0,
        most=254,
        left_open=0,
    ),
    Field(
        "model.pretrained",
        "",
        "A file of weights, or a name on the hub (docs/weights.md) such as "
        "timm/resnet101s.gluon_in1k; empty: random weights.",
    ),
    Field(
        "model.allow_missing",
        "",
        "Beginnings of parameter names that the file of weights may lack, "
        "separated by commas.",
    ),
    Field(
        "model.freeze",
        "",
        "Stages of the backbone that do not learn, separated by commas: of a "
        "ResNet stem, layer1 to layer4, or encoder for all of them. Their "
        "batch norms normalise with the running statistics and leave these "
        "alone, as is usual with few labels.",
    ),
)

_PSEUDO_LABEL = (
    _share(
        "pseudo_label.threshold",
        0.95,
        "The least softmax probability of a pseudo-label that is learned from "
        "(UniMatch v1).",
    ),
)

_LOSS = (
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
    _factor(
        "loss.unlabelled_weight",
        1.0,
        "Factor of the method's unlabelled losses.",
    ),
    _share(
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

_INTER_PIXEL = (
    Field(
        "inter_pixel.relation",
        "channel",
        "What is compared between teacher and student: for each class the "
        "pixels (channel), pairs of pixels (affinity), or each pixel alone "
        "(pixel, which is no relation).",
        from_registry=True,
    ),
    Field(
        "inter_pixel.distance",
        "correlation",
        "How the relations are compared: kl goes with every relation, "
        "correlation with channel and affinity, mse with affinity.",
        from_registry=True,
    ),
    _factor(
        "inter_pixel.weight",
        0.1,
        "Factor of the term in the total loss; 0 leaves the term out.",
    ),
    Field(
        "inter_pixel.temperature",
        1.0,
        "Divides the logits in the kl distances.",
        least=0,
        most=1e6,
        above_least=True,
    ),
    _share(
        "inter_pixel.threshold",
        0.95,
        "The least teacher probability of a pixel that is compared.",
    ),
    _steps(
        "inter_pixel.warmup_steps",
        0,
        "Steps over which the weight rises linearly from 0.",
        least=0,
    ),
    Field(
        "inter_pixel.block",
        512,
        "affinity/kl: pixels along a side of a tile. The other readings take "
        "eight times as many pixels at once on a CPU. There 256 and 1024 took "
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
)

_EMA = (
    _share(
        "ema.decay",
        0.996,
        "The share of the teacher that stays at each step (UniMatch V2).",
    ),
    Field(
        "ema.rampup",
        True,
        "Limits the decay at step k to 1 - 1/(k+1) (UniMatch V2).",
    ),
    _steps(
        "ema.copy_steps",
        0,
        "First steps during which the teacher is a copy of the student.",
        least=0,
    ),
)

_EVALUATE = (
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

_MESH = (
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

_INTER_PIXEL_NOTE = (
    "All of these are our reading; the paper's values are not known to us. No "
    "reading or weight was found ahead of another (docs/ablation.md): these "
    "are the cheapest relation and a weight at which it pulls half as hard as "
    "the pixel loss."
)

SECTIONS = (
    Section("", "", _RUN),
    Section("train", "", _TRAIN),
    Section("data", "", _DATA),
    Section("model", "", _MODEL),
    Section("pseudo_label", "", _PSEUDO_LABEL),
    Section("loss", "", _LOSS),
    Section("inter_pixel", _INTER_PIXEL_NOTE, _INTER_PIXEL),
    Section("ema", "", _EMA),
    Section("evaluate", "", _EVALUATE),
    Section("mesh", "", _MESH),
)
FIELDS = {field.path: field for s in SECTIONS for field in s.fields}
# Where two fields share a name the later one is suggested.
_LAST_NAMES = {path.rpartition(".")[2]: path for path in FIELDS}


def suggest_field(name: str) -> str:
    """ " Did you mean ...?" for a wrong field name; "" if nothing is near."""
    last = name.rpartition(".")[2]
    sections = [section.name for section in SECTIONS]
    near = (
        difflib.get_close_matches(name, [*FIELDS, *sections], 1, 0.75)
        or difflib.get_close_matches(last, _LAST_NAMES, 1)
        or [""]
    )[0]
    return near and f" Did you mean config.{_LAST_NAMES.get(near, near)}?"


def find_field(path: str) -> Field:
    """The field of a path such as "train.steps".

    Raises:
      ValueError: there is none; one sentence with the nearest name.
    """
    if path in FIELDS:
        return FIELDS[path]
    names = [section.name for section in SECTIONS]
    if path in names[1:]:
        inside = [p for p in FIELDS if p.startswith(f"{path}.")]
        raise ValueError(
            f"config.{path} is a section; name one of its fields: "
            f"{', '.join(inside)}."
        )
    raise ValueError(
        f"There is no field config.{path}.{suggest_field(path)} "
        "`ipixmatch fields` lists all of them."
    )


def get_value(config: Mapping[str, Any], path: str) -> Any:
    """The value of a field such as "train.steps".

    Raises:
      ValueError: the config lacks the field.
    """
    value = config
    for name in path.split("."):
        if name not in value:
            raise ValueError(
                f"This config lacks the field config.{path}: start from "
                "common.base(), which has every field."
            )
        value = value[name]
    return value
