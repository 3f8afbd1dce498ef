"""Cross pseudo supervision (CPS): two students label for each other."""

import jax

from ipixmatch_jax.data.augment import view_recipes
from ipixmatch_jax.methods import common
from ipixmatch_jax.methods.base import (
    SHARED,
    Consistency,
    Fields,
    Forward,
    Method,
    Outcome,
    TrainingRecipe,
    Variables,
    Views,
)
from ipixmatch_jax.methods.networks import split_networks

NETWORKS = ("student", "twin")


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

    Each network predicts the images, in train mode and without gradient. Its
    logits are CutMixed, and their classes are the labels that the other
    network learns the CutMixed images from; padding does not count. As in the
    reference, a network sees the images, then the mixed images, then the
    labelled images.

    Args:
      forward: of one network.
      student: the variables of both networks; see methods/networks.py.
      teacher: None; this method has no teacher.
      views: all of them; one strong view is used.
      labelled_loss: (logits, labels) -> scalar.
      threshold: least confidence of a label; 0 in the reference, where every
        label counts.
      unlabelled_weight: factor of the cross losses.
    """
    del teacher
    images, in_image = views.unlabelled()
    box = views.box[0]
    image = common.cutmix(views.strong[0], box)
    valid = common.cutmix(in_image, box)
    targets, mixed, losses_x, stats, shares = [], [], [], [], []
    networks = split_networks(student)
    for variables in (networks[name] for name in NETWORKS):
        weak, new = forward(variables, images, True)
        weak = jax.lax.stop_gradient(weak)
        targets.append(common.cutmix_output(weak, box))
        shares.append(common.confident_shares(weak.logits, in_image, threshold))
        output, new = forward({**variables, "batch_stats": new}, image, True)
        mixed.append(output)
        after = {**variables, "batch_stats": new}
        labelled, new = forward(after, views.labelled, True)
        losses_x.append(labelled_loss(labelled.logits, views.labels))
        stats.append(new)
    pairs = [
        Consistency(mixed[0], targets[1], valid),
        Consistency(mixed[1], targets[0], valid),
    ]
    cross = [common.hard_label_loss(pair, threshold) for pair in pairs]
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
    batch_stats = dict(zip(NETWORKS, stats, strict=True))
    return Outcome(total, pairs, batch_stats, metrics)


def _train_on_voc(unlabelled: int) -> Fields:
    return {
        "data.crop_size": 512,
        # 0.0025 times four GPUs, and weight 1 with CutMix.
        "train.learning_rate": 0.01,
        "train.head_multiplier": 1.0,
        "loss.unlabelled_weight": 1.0,
        # 60 epochs of all 10,582 images at batch 16, for every split.
        **_count_steps(10_582 * 60 / 16, unlabelled),
    }


def _train_on_cityscapes(unlabelled: int) -> Fields:
    return {
        "data.crop_size": 800,
        # The script's rate; the weight is 5 with CutMix, 6 without.
        "train.learning_rate": 0.02,
        "train.head_multiplier": 1.0,
        "loss.unlabelled_weight": 5.0,
        **_count_steps(2_975 * 240 / 16, unlabelled),
    }


def _count_steps(steps: float, unlabelled: int) -> Fields:
    """Batch 8, and the number of whole epochs that is nearest to `steps`."""
    epochs = round(steps * 8 / unlabelled)
    return {
        "train.batch_size": 8,
        "train.steps": epochs * (unlabelled // 8),
        "train.eval_every": unlabelled // 8,
    }


# Theirs leaves batch norms and biases out of the weight decay.
METHOD = Method(
    cps,
    views=view_recipes.THREE_BOXES,
    teacher=(SHARED,),
    networks=NETWORKS,
    recipe=TrainingRecipe(
        # The students label for each other, and every label counts.
        {"teacher": SHARED, "pseudo_label.threshold": 0.0},
        {"voc": _train_on_voc, "cityscapes": _train_on_cityscapes},
    ),
)
