"""The views that a method asks for: how they are drawn and applied."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ipixmatch_jax.data.augment import cutmix_boxes, weak_strong


class Recipe(NamedTuple):
    """A method's views of an unlabelled crop.

    Attributes:
      draw: (NumPy generator, crop_size) -> the parameters of one image: a
        dict of arrays or NamedTuples of arrays, which the pipeline stacks
        over the batch.
      apply: (batch, xp) -> the views. The batch is a dict of `image` uint8
        [B,S,S,C], `valid` bool [B,S,S] and everything drawn; `xp` is numpy or
        jax.numpy. The result is a dict of `weak` and `strong_1`, `strong_2`,
        ... float32 [B,S,S,C] on [0, 1]; `box_1`, `box_2`, ... int32 [B,4] or
        [B,K,4]; and `valid`. Any other entry reaches the method in
        Views.drawn.
    """

    draw: Callable[[np.random.Generator, int], dict[str, Any]]
    apply: Callable[[dict[str, Any], Any], dict[str, Any]]


def _two(rng: np.random.Generator, crop_size: int) -> dict[str, Any]:
    return {
        "strong_1": weak_strong.draw_strong(rng, crop_size),
        "strong_2": weak_strong.draw_strong(rng, crop_size),
    }


def _two_and_dropout(rng, crop_size):
    # Seeds of the channel dropout: the first for the labelled image at the
    # same place of the batch, the second for this unlabelled image.
    seeds = rng.integers(0, 2**32, 2, np.uint32)
    return _two(rng, crop_size) | {"dropout": seeds}


def _apply_two_and_dropout(batch, xp):
    return weak_strong.apply_strong_views(batch, xp) | {
        "dropout": batch["dropout"]
    }


def _half(rng, crop_size):
    return {"box_1": cutmix_boxes.draw_boxes(rng, crop_size, (0.5, 0.5))[0]}


def _three_boxes(rng, crop_size):
    return {"box_1": cutmix_boxes.draw_boxes(rng, crop_size, (0.25, 0.5), 3)}


def _apply_boxes(batch, xp):
    weak = weak_strong.to_unit_range(batch["image"], xp)
    kept = {name: batch[name] for name in ("box_1", "valid")}
    return {"weak": weak, "strong_1": weak} | kept


# Two strong views, each with a CutMix box (UniMatch v1).
STRONG = Recipe(_two, weak_strong.apply_strong_views)
# The same, and seeds of the channel dropout.
UNIMATCH = Recipe(_two_and_dropout, _apply_two_and_dropout)
# CutMix alone: one box of half the crop (French et al.).
HALF = Recipe(_half, _apply_boxes)
# CutMix alone: three boxes, .25 to .5 of the crop together (CPS).
THREE_BOXES = Recipe(_three_boxes, _apply_boxes)
