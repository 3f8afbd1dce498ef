"""FixMatch for segmentation: one strong view, thresholded hard labels."""

import jax
import jax.numpy as jnp
from jax import Array

from ipixmatch_jax import pseudo_labels
from ipixmatch_jax.losses import pixel
from ipixmatch_jax.methods.base import (
    Consistency,
    Forward,
    Outcome,
    Variables,
    Views,
)


def fixmatch(
    forward: Forward,
    student: Variables,
    teacher: Variables | None,
    views: Views,
    *,
    labelled_loss,
    threshold: float,
) -> Outcome:
    """(labelled loss + unlabelled loss) / 2, as UniMatch's own FixMatch.

    With a teacher (UniMatch V2's): it labels the weak view in eval mode; the
    student sees labelled and strong images in one forward pass. Without
    (v1's): the student labels the weak view in the forward pass, in train
    mode, that it shares with the labelled images; the strong view follows.
    The CutMix partner is the neighbour in the batch, labelled by the same
    pass (v1 itself pastes another view of the same image).

    Args:
      forward: the network.
      student: the variables that learn.
      teacher: the variables that label, or None: the student itself.
      views: all of them.
      labelled_loss: (logits, labels) -> scalar.
      threshold: least confidence of a pseudo-label.
    """
    mixed = pseudo_labels.paste(
        views.strong, pseudo_labels.neighbours(views.strong), views.box
    )
    if teacher is not None:
        weak, _ = forward(teacher, views.weak, False)
        labelled, strong, batch_stats = _pair(
            forward, student, views.labelled, mixed
        )
    else:
        labelled, weak, batch_stats = _pair(
            forward, student, views.labelled, views.weak
        )
        after = {**student, "batch_stats": batch_stats}
        strong, batch_stats = forward(after, mixed, True)
    weak = jax.lax.stop_gradient(weak)
    target = _mix(weak, views.box)
    valid = _mix(views.valid, views.box)
    loss_x = labelled_loss(labelled, views.labels)
    confidence, labels = pseudo_labels.confidence_and_labels(target)
    loss_u = pixel.masked_cross_entropy(
        strong, labels, confidence >= threshold, valid
    )
    metrics = {"loss_x": loss_x, "loss_u": loss_u}
    metrics |= _confident(weak, views.valid, threshold)
    pair = Consistency(strong, target, valid)
    return Outcome((loss_x + loss_u) / 2, [pair], batch_stats, metrics)


def _mix(x: Array, box: Array) -> Array:
    return pseudo_labels.paste(x, pseudo_labels.neighbours(x), box)


def _pair(forward: Forward, variables: Variables, first: Array, second: Array):
    """One train-mode pass over two batches, images taking turns.

    A concatenation of two sharded batches would move images between devices;
    taking turns keeps each where it is, and batch norm sees the same set.
    """
    both = jnp.stack([first, second], 1)
    logits, batch_stats = forward(
        variables, both.reshape(-1, *first.shape[1:]), True
    )
    logits = logits.reshape(*both.shape[:2], *logits.shape[1:])
    return logits[:, 0], logits[:, 1], batch_stats


def _confident(weak: Array, valid: Array, threshold: float) -> dict[str, Array]:
    """Share of valid weak pixels that are confident: overall, and by class.

    A class's share is of the pixels that are given that class.
    """
    confidence, labels = pseudo_labels.confidence_and_labels(weak)
    confident = (confidence >= threshold) & valid
    given = (labels[..., None] == jnp.arange(weak.shape[-1])) & valid[..., None]
    by_class = jnp.sum(given & confident[..., None], (0, 1, 2))
    total = jnp.sum(given, (0, 1, 2))
    return {
        "confident_share": confident.sum() / jnp.maximum(valid.sum(), 1),
        "confident_share_by_class": by_class / jnp.maximum(total, 1),
        "pseudo_label_share_by_class": total / jnp.maximum(valid.sum(), 1),
    }
