"""Labelled images as further pairs of the inter-pixel term (ours)."""

from collections.abc import Sequence

import jax
from jax import Array

from ipixmatch_jax.methods.base import Consistency, NetworkOutput, Outcome
from ipixmatch_jax.models.layers.area_average import average_areas
from ipixmatch_jax.utils.labels import IGNORE

# The logit of the true class; the others have 0, and probabilities of 1e-13.
CERTAIN = 30.0


def compared_pairs(
    outcome: Outcome, labels: Array, labelled: bool
) -> list[Consistency]:
    """The pairs whose mean is the inter-pixel term.

    Args:
      outcome: of a method.
      labels: integer [B, H, W] of the labelled images, 255 where unlabelled.
      labelled: whether these images are compared too: the method's own pairs
        come first, then one for each of its networks.

    Raises:
      ValueError: they are, and the outcome does not hold their outputs.
    """
    if not labelled:
        return outcome.consistency
    if not outcome.labelled:
        raise ValueError(
            "config.inter_pixel.labelled=True compares the student's outputs "
            "of the labelled images, and this method's outcome holds none: "
            "set it to False, or give the outcome what `forward` returned."
        )
    return [*outcome.consistency, *truth_pairs(outcome.labelled, labels)]


def truth_pairs(
    outputs: Sequence[NetworkOutput], labels: Array
) -> list[Consistency]:
    """Pairs of the student's outputs of labelled images and the truth.

    The teacher's logits are CERTAIN for the true class and 0 for the others.
    On the head's map they are the means over a cell. Pixels without a label
    are not valid; in a mean they count as 0 for every class.

    Args:
      outputs: the student's, of the same images.
      labels: integer [B, H, W], 255 where unlabelled.
    """
    valid = labels != IGNORE
    return [
        Consistency(output, _truth(output, labels), valid) for output in outputs
    ]


def _truth(output: NetworkOutput, labels: Array) -> NetworkOutput:
    """The truth as the output of a network that is certain of it."""
    classes = output.logits.shape[-1]
    # A label outside the classes, such as 255, has a row of zeros.
    logits = CERTAIN * jax.nn.one_hot(labels, classes)
    own = output.head_logits
    if own is None:
        return NetworkOutput(logits)
    return NetworkOutput(logits, average_areas(logits, own.shape[1:3]))
