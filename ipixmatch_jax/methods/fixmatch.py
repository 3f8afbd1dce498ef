"""FixMatch for segmentation: one strong view, thresholded hard labels."""

import jax

from ipixmatch_jax.methods import common
from ipixmatch_jax.methods.base import (
    Consistency,
    Forward,
    Method,
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

    With a teacher, as in UniMatch V2, the teacher labels the weak view in
    eval mode, and the student sees labelled and strong images in one forward
    pass. Without one, as in v1, the student labels the weak view itself: in
    train mode, in one forward pass with the labelled images, after which the
    strong view follows. The CutMix partner is the neighbour in the batch,
    labelled in the same pass; v1 pastes another view of the same image.

    Args:
      forward: the network.
      student: the variables that learn.
      teacher: the variables that label, or None: the student itself.
      views: all of them; one strong view is used.
      labelled_loss: (logits, labels) -> scalar.
      threshold: least confidence of a pseudo-label.
      unlabelled_weight: factor of the unlabelled loss; 1 in the reference.
    """
    images, valid = views.unlabelled()
    box = views.box[0]
    mixed = common.cutmix(views.strong[0], box, views.mesh)
    if teacher is not None:
        weak, _ = forward(teacher, images, False)
        labelled, strong, batch_stats = common.forward_two(
            forward, student, views.labelled, mixed
        )
    else:
        labelled, weak, batch_stats = common.forward_two(
            forward, student, views.labelled, images
        )
        after = {**student, "batch_stats": batch_stats}
        strong, batch_stats = forward(after, mixed, True)
    weak = jax.lax.stop_gradient(weak)
    target = common.cutmix_output(weak, box, views.mesh)
    loss_x = labelled_loss(labelled.logits, views.labels)
    valid_mixed = common.cutmix(valid, box, views.mesh)
    pair = Consistency(strong, target, valid_mixed)
    loss_u = common.hard_label_loss(pair, threshold)
    total = (loss_x + unlabelled_weight * loss_u) / 2
    metrics = {"loss_x": loss_x, "loss_u": loss_u}
    metrics |= common.confident_shares(weak.logits, valid, threshold)
    return Outcome(total, [pair], batch_stats, metrics, (labelled,))


# The recipe is UniMatch v1's, which the config files start from.
METHOD = Method(fixmatch)
