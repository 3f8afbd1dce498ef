"""The loss of labelled images by its name in a config."""

import functools
from collections.abc import Callable

from jax import Array

from ipixmatch_jax.losses import cross_entropy, dice

Loss = Callable[[Array, Array], Array]


def make(
    name: str,
    *,
    class_weights: tuple[float, ...] = (),
    ohem_threshold: float,
    ohem_min_kept: int,
) -> Loss:
    """(logits [B, H, W, C], labels [B, H, W]) -> float32 scalar.

    Args:
      name: "ce", "ohem", "dice", or "ce+dice", their plain sum (nnU-Net).
      class_weights: of the cross entropy in "ce" and "ce+dice", one per
        class; () weights none.
      ohem_threshold: see pixel.ohem_cross_entropy.
      ohem_min_kept: likewise.
    """
    if name == "ohem":
        return functools.partial(
            cross_entropy.ohem_cross_entropy,
            threshold=ohem_threshold,
            min_kept=ohem_min_kept,
        )
    if name == "dice":
        return dice.dice_loss
    ce = cross_entropy.cross_entropy
    if class_weights:
        ce = functools.partial(
            cross_entropy.weighted_cross_entropy, weights=class_weights
        )
    if name == "ce":
        return ce
    return lambda logits, labels: (
        ce(logits, labels) + dice.dice_loss(logits, labels)
    )
