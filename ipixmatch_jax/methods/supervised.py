"""The labelled images alone."""

from ipixmatch_jax.methods.base import Forward, Outcome, Variables, Views


def supervised(
    forward: Forward,
    student: Variables,
    teacher: Variables | None,
    views: Views,
    *,
    labelled_loss,
    threshold: float,
    unlabelled_weight: float,
) -> Outcome:
    """Cross entropy (or OHEM) of the labelled images.

    Args:
      forward: the network.
      student: the variables that learn.
      teacher: not used; its average is still kept and scored.
      views: labelled images and labels.
      labelled_loss: (logits, labels) -> scalar.
      threshold, unlabelled_weight: not used: nothing is unlabelled.
    """
    del teacher, threshold, unlabelled_weight
    logits, batch_stats = forward(student, views.labelled, True)
    loss = labelled_loss(logits, views.labels)
    return Outcome(loss, [], batch_stats, {"loss_x": loss})
