"""Passes and measures that several methods share."""

import jax.numpy as jnp
from jax import Array

from ipixmatch_jax.losses import cross_entropy
from ipixmatch_jax.methods import pseudo_labels
from ipixmatch_jax.methods.base import (
    Consistency,
    Forward,
    Perturb,
    Variables,
)


def mix(x: Array, box: Array) -> Array:
    """CutMix with the neighbour in the batch; see pseudo_labels.paste."""
    return pseudo_labels.paste(x, pseudo_labels.neighbours(x), box)


def interleave(*batches: Array) -> Array:
    """[B, ...] each, as one [N * B, ...] whose images take turns.

    A concatenation of sharded batches would move images between devices;
    taking turns keeps each where it is, and batch norm sees the same set.
    """
    stacked = jnp.stack(batches, 1)
    return stacked.reshape(-1, *stacked.shape[2:])


def separate(x: Array, count: int) -> list[Array]:
    """The batches that `interleave` made one of."""
    turns = x.reshape(-1, count, *x.shape[1:])
    return [turns[:, i] for i in range(count)]


def pair(
    forward: Forward, variables: Variables, first: Array, second: Array
) -> tuple[Array, Array, dict]:
    """One train-mode pass over two batches.

    Returns:
      logits of the first, of the second, and the new batch statistics.
    """
    logits, batch_stats = forward(variables, interleave(first, second), True)
    return *separate(logits, 2), batch_stats


def perturbed_pair(
    forward: Forward,
    variables: Variables,
    first: Array,
    second: Array,
    perturb: Perturb,
) -> tuple[Array, Array, Array, dict]:
    """One train-mode pass over two batches with perturbed features beside.

    The decoder sees all four sets of maps at once (UniMatch v1); the
    perturbed first batch is thrown away.

    Returns:
      logits of the first, of the second, of the second perturbed, and the
      new batch statistics.
    """
    (clean, perturbed), batch_stats = forward(
        variables, interleave(first, second), True, perturb
    )
    _, perturbed = separate(perturbed, 2)
    return *separate(clean, 2), perturbed, batch_stats


def hard_loss(pair: Consistency, threshold: float) -> Array:
    """Cross entropy of the student with the teacher's confident classes.

    Over the count of valid pixels, confident or not (UniMatch v1).
    """
    confidence, labels = pseudo_labels.confidence_and_labels(
        pair.teacher_logits
    )
    return cross_entropy.masked_cross_entropy(
        pair.student_logits, labels, confidence >= threshold, pair.valid
    )


def confident(weak: Array, valid: Array, threshold: float) -> dict[str, Array]:
    """Share of valid weak pixels that are confident: overall, and by class.

    A class's share is of the pixels that are given that class.
    """
    confidence, labels = pseudo_labels.confidence_and_labels(weak)
    sure = (confidence >= threshold) & valid
    given = (labels[..., None] == jnp.arange(weak.shape[-1])) & valid[..., None]
    by_class = jnp.sum(given & sure[..., None], (0, 1, 2))
    total = jnp.sum(given, (0, 1, 2))
    return {
        "confident_share": sure.sum() / jnp.maximum(valid.sum(), 1),
        "confident_share_by_class": by_class / jnp.maximum(total, 1),
        "pseudo_label_share_by_class": total / jnp.maximum(valid.sum(), 1),
    }
