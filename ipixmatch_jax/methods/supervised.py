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
) -> Outcome:
    """Cross entropy (or OHEM) of the labelled images.

    Args:
      forward: the network.
      student: the variables that learn.
      teacher: not used; its average is still kept and scored.
      views: labelled images and labels.
      labelled_loss: (logits, labels) -> scalar.
      threshold: not used: there are no pseudo-labels.
    """
    del teacher, threshold
    logits, batch_stats = forward(student, views.labelled, True)
    loss = labelled_loss(logits, views.labels)
    return Outcome(loss, [], batch_stats, {"loss_x": loss})
