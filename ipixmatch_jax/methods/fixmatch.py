"""FixMatch for segmentation: one strong view, thresholded hard labels."""

import jax

from ipixmatch_jax.methods import common
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
    unlabelled_weight: float,
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
      views: all of them; one strong view is used.
      labelled_loss: (logits, labels) -> scalar.
      threshold: least confidence of a pseudo-label.
      unlabelled_weight: factor of the unlabelled loss; 1 in the reference.
    """
    box = views.box[0]
    mixed = common.mix(views.strong[0], box)
    if teacher is not None:
        weak, _ = forward(teacher, views.weak, False)
        labelled, strong, batch_stats = common.pair(
            forward, student, views.labelled, mixed
        )
    else:
        labelled, weak, batch_stats = common.pair(
            forward, student, views.labelled, views.weak
        )
        after = {**student, "batch_stats": batch_stats}
        strong, batch_stats = forward(after, mixed, True)
    weak = jax.lax.stop_gradient(weak)
    target = common.mix(weak, box)
    loss_x = labelled_loss(labelled, views.labels)
    pair = Consistency(strong, target, common.mix(views.valid, box))
    loss_u = common.hard_loss(pair, threshold)
    total = (loss_x + unlabelled_weight * loss_u) / 2
    metrics = {"loss_x": loss_x, "loss_u": loss_u}
    metrics |= common.confident(weak, views.valid, threshold)
    return Outcome(total, [pair], batch_stats, metrics)
