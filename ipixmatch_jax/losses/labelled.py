"""The losses of labelled images by name: the values of loss.labelled."""

import functools
from collections.abc import Callable
from typing import NamedTuple

from jax import Array

from ipixmatch_jax.losses import cross_entropy, dice
from ipixmatch_jax.utils.registry import Registry

# (logits [B, H, W, K], labels [B, H, W]) -> float32 scalar.
Loss = Callable[[Array, Array], Array]


class LossSettings(NamedTuple):
    """The fields of a config that labelled losses can use.

    Attributes:
      class_weights: one number from 0 up per class; () weights none.
      ohem_threshold: see cross_entropy.ohem_cross_entropy.
      ohem_min_kept: see cross_entropy.ohem_cross_entropy.
    """

    class_weights: tuple[float, ...] = ()
    ohem_threshold: float = 0.7
    ohem_min_kept: int = 0


class LabelledLoss(NamedTuple):
    """A loss of labelled images.

    Attributes:
      build: settings -> loss.
      takes_class_weights: it has a cross entropy that loss.class_weights can
        weight.
    """

    build: Callable[[LossSettings], Loss]
    takes_class_weights: bool = False


def _build_cross_entropy(settings: LossSettings) -> Loss:
    if not settings.class_weights:
        return cross_entropy.cross_entropy
    return functools.partial(
        cross_entropy.weighted_cross_entropy, weights=settings.class_weights
    )


def _build_ohem(settings: LossSettings) -> Loss:
    return functools.partial(
        cross_entropy.ohem_cross_entropy,
        threshold=settings.ohem_threshold,
        min_kept=settings.ohem_min_kept,
    )


def _build_dice(settings: LossSettings) -> Loss:
    del settings
    return dice.dice_loss


def _build_sum(settings: LossSettings) -> Loss:
    """The plain sum of cross entropy and Dice (nnU-Net)."""
    ce = _build_cross_entropy(settings)
    return lambda logits, labels: (
        ce(logits, labels) + dice.dice_loss(logits, labels)
    )


LABELLED_LOSSES: Registry[LabelledLoss] = Registry(
    "loss of labelled images",
    {
        "ce": LabelledLoss(_build_cross_entropy, takes_class_weights=True),
        "ohem": LabelledLoss(_build_ohem),
        "dice": LabelledLoss(_build_dice),
        "ce+dice": LabelledLoss(_build_sum, takes_class_weights=True),
    },
)
