"""Cross pseudo supervision (CPS): two students label for each other."""

import jax

from ipixmatch_jax.methods import common, two_students
from ipixmatch_jax.methods.base import (
    Consistency,
    Forward,
    Outcome,
    Variables,
    Views,
)


def cps(
    forward: Forward,
    student: Variables,
    teacher: None,
    views: Views,
    *,
    labelled_loss,
    threshold: float,
    unlabelled_weight: float,
) -> Outcome:
    """Both labelled losses + weight * both cross losses, CPS with CutMix.

    Each network labels the images, in train mode and without gradient, its
    logits are mixed by the boxes, and the other learns its classes from the
    CutMixed images, padding apart. As in the reference, a network passes the
    images, the mixed images and the labelled images, in this order.

    Args:
      forward: of one network.
      student: both networks' variables; see methods/twins.py.
      teacher: None, there is none.
      views: all of them; one strong view is used.
      labelled_loss: (logits, labels) -> scalar.
      threshold: least confidence of a label; 0 in the reference, which
        takes every one.
      unlabelled_weight: factor of the cross losses.
    """
    del teacher
    box = views.box[0]
    image = common.mix(views.strong[0], box)
    valid = common.mix(views.valid, box)
    targets, mixed, losses_x, stats, shares = [], [], [], [], []
    for variables in two_students.networks(student).values():
        weak, new = forward(variables, views.weak, True)
        weak = jax.lax.stop_gradient(weak)
        targets.append(common.mix(weak, box))
        shares.append(common.confident(weak, views.valid, threshold))
        logits, new = forward({**variables, "batch_stats": new}, image, True)
        mixed.append(logits)
        after = {**variables, "batch_stats": new}
        logits, new = forward(after, views.labelled, True)
        losses_x.append(labelled_loss(logits, views.labels))
        stats.append(new)
    pairs = [
        Consistency(mixed[0], targets[1], valid),
        Consistency(mixed[1], targets[0], valid),
    ]
    cross = [common.hard_loss(pair, threshold) for pair in pairs]
    loss_x, loss_u = sum(losses_x), sum(cross)
    metrics = {
        "loss_x": loss_x,
        "loss_x_1": losses_x[0],
        "loss_x_2": losses_x[1],
        "loss_u": loss_u,
        "loss_u_1": cross[0],
        "loss_u_2": cross[1],
    }
    metrics |= jax.tree.map(lambda a, b: (a + b) / 2, *shares)
    total = loss_x + unlabelled_weight * loss_u
    return Outcome(total, pairs, two_students.join(stats), metrics)
