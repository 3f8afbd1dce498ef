"""Mean teacher with CutMix (French et al.): soft consistency."""

import jax

from ipixmatch_jax.data.augment import view_recipes
from ipixmatch_jax.losses import cross_entropy
from ipixmatch_jax.methods import common, pseudo_labels
from ipixmatch_jax.methods.base import (
    AVERAGED,
    Consistency,
    Fields,
    Forward,
    Method,
    Outcome,
    TrainingRecipe,
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
    varied perturbations": the student sees CutMixed images; the teacher sees
    the images themselves, and its logits are mixed with the same boxes. The
    squared difference of the two softmax maps is multiplied by the batch's
    share of confident pixels. The student runs twice, on the labelled images
    first. The teacher is in eval mode here; theirs is in train mode, with
    frozen batch norms in the runs on VOC.

    Args:
      forward: the network.
      student: the variables that learn.
      teacher: the variables that label.
      views: all of them; one strong view is used.
      labelled_loss: (logits, labels) -> scalar.
      threshold: least confidence of a pixel that counts for the share.
      unlabelled_weight: factor of the consistency; 1 in the reference.
    """
    images, in_image = views.unlabelled()
    box = views.box[0]
    labelled, batch_stats = forward(student, views.labelled, True)
    after = {**student, "batch_stats": batch_stats}
    mixed_images = common.cutmix(views.strong[0], box, views.mesh)
    mixed, batch_stats = forward(after, mixed_images, True)
    weak = jax.lax.stop_gradient(forward(teacher, images, False)[0])
    target = common.cutmix_output(weak, box, views.mesh)
    valid = common.cutmix(in_image, box, views.mesh)
    loss_x = labelled_loss(labelled.logits, views.labels)
    confidence, _ = pseudo_labels.confidence_and_labels(target.logits)
    sure = (confidence >= threshold).mean()
    loss_u = sure * cross_entropy.squared_difference(
        mixed.logits, target.logits, valid
    )
    metrics = {"loss_x": loss_x, "loss_u": loss_u}
    metrics |= common.confident_shares(weak.logits, in_image, threshold)
    pair = Consistency(mixed, target, valid)
    total = loss_x + unlabelled_weight * loss_u
    return Outcome(total, [pair], batch_stats, metrics, (labelled,))


def _train_on_voc(unlabelled: int) -> Fields:
    del unlabelled
    return _FRENCH | {"train.learning_rate": 1e-6, "train.batch_size": 10}


def _train_on_cityscapes(unlabelled: int) -> Fields:
    # Theirs: DeepLabV2, crops of 256 x 512 from images of half the size.
    del unlabelled
    return _FRENCH | {"train.learning_rate": 3e-6, "train.batch_size": 4}


# Their batch norms are frozen; here they learn.
_FRENCH = {
    "train.optimiser": "adam",
    "train.schedule": "constant",
    "train.head_multiplier": 10.0,
    "train.weight_decay": 0.0,
    "train.steps": 40_000,
    "train.eval_every": 1_000,
    "ema.decay": 0.99,
    "pseudo_label.threshold": 0.97,
    "loss.labelled": "ce",
}

METHOD = Method(
    mean_teacher,
    views=view_recipes.HALF,
    teacher=(AVERAGED,),
    recipe=TrainingRecipe(
        {"ema.rampup": False},
        {"voc": _train_on_voc, "cityscapes": _train_on_cityscapes},
    ),
)
