"""Supervised training: the labelled images alone."""

from ipixmatch_jax.methods.base import (
    Fields,
    Forward,
    Method,
    Outcome,
    TrainingRecipe,
    Variables,
    Views,
)


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
    """The labelled loss, and nothing else.

    Args:
      forward: the network.
      student: the variables that learn.
      teacher: not used; the averaged weights are still kept and scored.
      views: labelled images and labels.
      labelled_loss: (logits, labels) -> scalar.
      threshold, unlabelled_weight: not used, as no image is unlabelled.
    """
    del teacher, threshold, unlabelled_weight
    output, batch_stats = forward(student, views.labelled, True)
    loss = labelled_loss(output.logits, views.labels)
    return Outcome(loss, [], batch_stats, {"loss_x": loss}, (output,))


def _double_batch(unlabelled: int) -> Fields:
    """UniMatch v1's advice: twice the batch of the other methods.

    Its epochs are over the labelled list; here it takes as many steps as the
    other methods.
    """
    del unlabelled
    return {"train.batch_size": 16}


METHOD = Method(
    supervised,
    views=None,
    compares_views=False,
    recipe=TrainingRecipe(
        {"inter_pixel.weight": 0.0},
        {"voc": _double_batch, "cityscapes": _double_batch},
    ),
)
