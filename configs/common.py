"""What the recipes share: the fields with their defaults, and the argument.

A recipe of your own starts the same way, wherever its file lies: with
`from ipixmatch_jax.configs import common`, and in its get_config with
`c = common.base()`.
"""

import difflib
from collections.abc import Iterable
from itertools import product
from typing import NamedTuple

import jax.numpy as jnp
from ml_collections import ConfigDict

from ipixmatch_jax.configuration.base import base
from ipixmatch_jax.methods.registry import METHODS
from ipixmatch_jax.models.registry import BACKBONES

__all__ = [
    "Argument",
    "adapt_to_transformer",
    "base",
    "is_transformer",
    "parse",
    "set_method",
    "set_unimatch_v2",
]


class Argument(NamedTuple):
    """The words of a config's argument.

    Attributes:
      backbone: a key of BACKBONES.
      split: "" where the data set has none.
      method: a key of METHODS, or "" where the argument names none.
    """

    backbone: str
    split: str
    method: str


def parse(arg: str, splits: tuple[str, ...], default: str) -> Argument:
    """Reads `<backbone>_<split>[,method=<method>]`.

    Args:
      arg: of the config; empty means the default.
      splits: the data set's; none where the argument has no split.
      default: such as "r101_1_8".

    Raises:
      ValueError: a word is wrong; the right ones are listed.
    """
    words, named, method = arg.partition("method=")
    words = words.removesuffix(",") if named else words
    if named and method not in METHODS:
        raise ValueError(
            f"The config argument {arg!r} names no method: the methods are "
            f"{' '.join(METHODS)}; for example "
            f"{default},method={next(iter(METHODS))}. A module of your own "
            f"adds others with --plugin MODULE.{_suggest(method, METHODS)}"
        )
    backbone, split = _split_backbone(words or default)
    known = splits or ("",)
    if not backbone or split not in known:
        form = "<backbone>_<split>" if splits else "<backbone>"
        right = ["_".join(filter(None, p)) for p in product(BACKBONES, known)]
        listed = f", the splits are {' '.join(splits)}" if splits else ""
        raise ValueError(
            f"The config argument {arg!r} is not "
            f"{form}[,method=<method>]: the backbones are "
            f"{' '.join(BACKBONES)}{listed}; for example {default}."
            f"{_suggest(words, right)}"
        )
    return Argument(backbone, split, method)


def _suggest(word: str, right: Iterable[str]) -> str:
    """ " Did you mean ...?" for a wrong word; "" if nothing is near."""
    near = difflib.get_close_matches(word, list(right), 1)
    return f" Did you mean {near[0]}?" if near else ""


def _split_backbone(words: str) -> tuple[str, str]:
    """The longest backbone's name that words begin with, and the rest."""
    begun = [b for b in BACKBONES if f"{words}_".startswith(f"{b}_")]
    backbone = max(begun, key=len, default="")
    rest = words[len(backbone) :]
    # "r101_" is a mistake, not r101 without a split.
    return (backbone, rest[1:]) if rest != "_" else ("", "")


def set_method(c: ConfigDict, method: str, unlabelled: int = 0) -> None:
    """Sets the method and its recipe; the last thing that a config does.

    Args:
      c: changed in place. data.name says whose published recipe is taken.
      method: a key of METHODS.
      unlabelled: images of the split's unlabelled list, for the published
        recipes; 0: none of these is taken.
    """
    recipe = METHODS[method].recipe
    c.method = method
    c.update_from_flattened_dict(dict(recipe.everywhere))
    published = recipe.published.get(c.data.name)
    if published and unlabelled:
        c.update_from_flattened_dict(dict(published(unlabelled)))
    c.train.reference_batch_size = c.train.batch_size


def side_multiple(backbone: str) -> int:
    """What a backbone wants the sides of images to be multiples of."""
    return BACKBONES[backbone].build(dtype=jnp.float32).side_multiple


def is_transformer(backbone: str) -> bool:
    """Whether a backbone is a vision transformer: it sees whole patches."""
    return side_multiple(backbone) > 1


def set_crop_size(c: ConfigDict, size: int) -> None:
    """Sets data.crop_size to the next multiple that the backbone takes."""
    multiple = side_multiple(c.model.backbone)
    c.data.crop_size = -(-size // multiple) * multiple


def adapt_to_transformer(c: ConfigDict) -> None:
    """Changes a short recipe of ours for a vision transformer.

    The crop becomes the next size that the backbone takes, and the optimiser
    AdamW: from random weights at a rate of ours, from trained weights at V2's,
    which is for batch 16. Other backbones are left as they are.

    Args:
      c: changed in place; backbone, crop and batch are set.
    """
    backbone = c.model.backbone
    if not is_transformer(backbone):
        return
    set_crop_size(c, c.data.crop_size)
    c.train.optimiser = "adamw"
    if BACKBONES[backbone].for_cpus:
        c.train.learning_rate, c.train.head_multiplier = 1e-3, 1.0
    else:
        c.train.learning_rate = 5e-6 * c.train.batch_size / 16
        c.train.head_multiplier, c.train.weight_decay = 40.0, 0.01


def set_unimatch_v2(
    c: ConfigDict,
    method: str,
    *,
    crop_size: int,
    batch_size: int,
    epochs: int = 0,
    unlabelled: int = 0,
) -> None:
    """Sets UniMatch V2's recipe of vision transformers, with any method.

    What a method's authors published for ResNets is left out. Supervised
    training has twice the batch and the same rate, as in V2.

    Args:
      c: changed in place; model.backbone is set.
      method: a key of METHODS.
      crop_size: V2's, for patches of 14; other patches take the next multiple
        (518 becomes 528, and 798 becomes 800, for patches of 16).
      batch_size: V2's labelled images in a step, for which its rate is; with
        another train.batch_size the rate is scaled.
      epochs: over the unlabelled images; 0 leaves the steps as they are.
      unlabelled: images of the split's unlabelled list.
    """
    set_crop_size(c, crop_size)
    c.train.optimiser = "adamw"
    c.train.learning_rate = 5e-6
    c.train.head_multiplier = 40.0
    c.train.weight_decay = 0.01
    c.train.scale_rate = True
    c.train.batch_size = batch_size
    if epochs:
        epoch = unlabelled // batch_size
        c.train.steps = epochs * epoch
        c.train.eval_every = epoch
    if method == "supervised":
        c.train.batch_size = 2 * batch_size
    set_method(c, method)
