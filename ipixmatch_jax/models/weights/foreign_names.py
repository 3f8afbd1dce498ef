"""Translates other projects' names of a ResNet's tensors."""

import logging
import re
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ipixmatch_jax.models.backbones.resnet_sizes import SIZES
from ipixmatch_jax.models.weights.torch_names import (
    BACKBONE,
    COUNTER,
    HEAD,
    check_floats,
    shortened,
)

_LOGGER = logging.getLogger(__name__)

# Hugging Face transformers' ResNet: each unit has a `convolution` and a
# `normalization`; the units of a block are layer.0 .. layer.2.
_TRANSFORMERS = "embedder.embedder."
_UNITS = (
    (r"embedder\.embedder\.convolution", r"conv1"),
    (r"embedder\.embedder\.normalization", r"bn1"),
    (r"shortcut\.convolution", r"downsample.0"),
    (r"shortcut\.normalization", r"downsample.1"),
    (r"layer\.0\.convolution", r"conv1"),
    (r"layer\.1\.convolution", r"conv2"),
    (r"layer\.2\.convolution", r"conv3"),
    (r"layer\.0\.normalization", r"bn1"),
    (r"layer\.1\.normalization", r"bn2"),
    (r"layer\.2\.normalization", r"bn3"),
    (r"classifier\.1", r"fc"),
)
_STAGE = re.compile(r"encoder\.stages\.(\d)\.layers\.(\d+)\.")
_CLASSIFIER = f"{BACKBONE}fc."
# The last tensor of each head, whose first axis is the classes.
_CLASSIFIERS = {
    "deeplabv3plus": "classifier.weight",
    "dpt": "head.scratch.output_conv.2.weight",
}


class Layout(NamedTuple):
    """The network that a set of tensors belongs to.

    Attributes:
      backbone: a key of resnet_sizes.SIZES.
      stem: "deep" or "7x7".
      num_classes: of the head; None without a head.
      head: "dpt", "deeplabv3plus" or, without a head, "".
    """

    backbone: str
    stem: str
    num_classes: int | None
    head: str


def translate(
    tensors: Mapping[str, np.ndarray], source: str
) -> dict[str, np.ndarray]:
    """Renames tensors to the reference's names.

    Knows the names of UniMatch and PyTorch-Encoding, torchvision, timm and
    Hugging Face transformers. A ResNet's names get `backbone.` before them.
    Drops the counters of batches, and the ImageNet classifier with a line in
    the log.

    Args:
      tensors: arrays by the names in the file.
      source: the file's name, for messages.

    Raises:
      ValueError: two tensors get the same name, a tensor does not hold
        floats, or the network is timm's ResNet-D.
    """
    translated: dict[str, np.ndarray] = {}
    transformers = any(_TRANSFORMERS in name for name in tensors)
    for old, value in tensors.items():
        name = _name(old, transformers)
        if name.endswith(COUNTER):
            continue
        if name in translated:
            raise ValueError(f"{source} has two tensors for {name}.")
        translated[name] = value
    dropped = [n for n in translated if n.startswith(_CLASSIFIER)]
    if dropped:
        _LOGGER.info(
            "%s: dropped the classifier %s", source, shortened(dropped)
        )
    for name in dropped:
        del translated[name]
    _refuse(translated, source)
    return translated


def has_head(tensors: Mapping[str, np.ndarray]) -> bool:
    """Whether translated tensors hold more than the backbone."""
    return any(name.startswith(HEAD) for name in tensors)


def layout(tensors: Mapping[str, np.ndarray], source: str) -> Layout:
    """Finds out which network translated tensors belong to.

    Raises:
      ValueError: layer3 has another number of blocks than every backbone.
    """
    found = re.compile(rf"{re.escape(BACKBONE)}(layer\d)\.(\d+)\.")
    matches = [m for name in tensors if (m := found.match(name))]
    stages = {m[1] for m in matches}
    blocks = {m[2] for m in matches if m[1] == "layer3"}
    known = {name: sizes for name, (sizes, _) in SIZES.items()}
    fitting = [n for n, sizes in known.items() if sizes[2] == len(blocks)]
    if not fitting:
        names = ", ".join(f"{name} ({n[2]})" for name, n in known.items())
        raise ValueError(
            f"{source} fits none of the backbones: layer3 has {len(blocks)} "
            f"blocks, and theirs have {names}; its tensors are "
            f"{shortened(tensors)}."
        )
    # Two may differ in the number of their stages alone.
    fitting.sort(key=lambda name: len(known[name]) != len(stages))
    deep = f"{BACKBONE}conv1.weight" not in tensors
    classifiers = {
        head: len(tensors[name])
        for head, name in _CLASSIFIERS.items()
        if name in tensors
    }
    head = next(iter(classifiers), "")
    return Layout(
        fitting[0], "deep" if deep else "7x7", classifiers.get(head), head
    )


def _name(name, transformers):
    name = name.removeprefix("module.")
    if transformers:
        name = name.removeprefix("resnet.")
        name = _STAGE.sub(lambda m: f"layer{int(m[1]) + 1}.{m[2]}.", name)
        for pattern, ours in _UNITS:
            name, changed = re.subn(rf"(^|\.){pattern}\.", rf"\1{ours}.", name)
            if changed:
                break
    return name if name.startswith((BACKBONE, *HEAD)) else BACKBONE + name


def _refuse(tensors, source):
    """Raises ValueError for networks and types that can never fit."""
    pooled = f"{BACKBONE}layer1.0.downsample.1.weight"
    if pooled in tensors and tensors[pooled].ndim == 4:
        raise ValueError(
            f"{source} is a ResNet-D (timm's resnet50d, resnet101d): its "
            "shortcuts average before they convolve, which this network does "
            "not do; take timm/resnet50s.gluon_in1k, "
            "timm/resnet101s.gluon_in1k or a torchvision file."
        )
    check_floats(tensors, source)
