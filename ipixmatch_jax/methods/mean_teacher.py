"""Mean teacher with CutMix (French et al.): soft consistency."""

import jax

from ipixmatch_jax.losses import cross_entropy
from ipixmatch_jax.methods import common, pseudo_labels
from ipixmatch_jax.methods.base import (
    Consistency,
    Forward,
    Outcome,
    Variables,
    Views,
)


def mean_teacher(
    forward: Forward,
    student: Variables,
    teacher: Variables,
    views: Views,
    *,
    labelled_loss,
    threshold: float,
    unlabelled_weight: float,
) -> Outcome:
    """Labelled loss + weight * squared difference of softmax under CutMix.

    French et al.'s "Semi-supervised semantic segmentation needs strong,
    varied perturbations": the student sees the CutMixed images, the teacher
    the images themselves; its probabilities are mixed by the same boxes. The
    batch's loss is multiplied by its share of confident pixels. Two student
    passes, labelled images first. The teacher is in eval mode here; theirs
    is in train mode, with batch norms frozen in the runs on VOC.

    Args:
      forward: the network.
      student: the variables that learn.
      teacher: the variables that label.
      views: all of them; one strong view is used.
      labelled_loss: (logits, labels) -> scalar.
      threshold: least confidence of a pixel that counts for the share.
      unlabelled_weight: factor of the consistency; 1 in the reference.
    """
    box = views.box[0]
    labelled, batch_stats = forward(student, views.labelled, True)
    after = {**student, "batch_stats": batch_stats}
    mixed, batch_stats = forward(after, common.mix(views.strong[0], box), True)
    weak = jax.lax.stop_gradient(forward(teacher, views.weak, False)[0])
    target = common.mix(weak, box)
    valid = common.mix(views.valid, box)
    loss_x = labelled_loss(labelled, views.labels)
    confidence, _ = pseudo_labels.confidence_and_labels(target)
    sure = (confidence >= threshold).mean()
    loss_u = sure * cross_entropy.squared_difference(mixed, target, valid)
    metrics = {"loss_x": loss_x, "loss_u": loss_u}
    metrics |= common.confident(weak, views.valid, threshold)
    pair = Consistency(mixed, target, valid)
    total = loss_x + unlabelled_weight * loss_u
    return Outcome(total, [pair], batch_stats, metrics)
