"""Cross pseudo supervision (CPS): two students label for each other."""

from collections.abc import Callable
from typing import NamedTuple

import jax
from jax import Array

from ipixmatch_jax.data.augment import view_recipes
from ipixmatch_jax.methods import common
from ipixmatch_jax.methods.base import (
    SHARED,
    Consistency,
    Fields,
    Forward,
    Method,
    NetworkOutput,
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
    _, in_image = views.unlabelled()
    box = views.box[0]
    mixed = common.cutmix(views.strong[0], box, views.mesh)
    valid = common.cutmix(in_image, box, views.mesh)
    networks = split_networks(student)
    one, two = (
        _run_network(
            forward, networks[name], views, mixed, labelled_loss, threshold
        )
        for name in NETWORKS
    )
    pairs = [
        Consistency(one.mixed, two.target, valid),
        Consistency(two.mixed, one.target, valid),
    ]
    cross = [common.hard_label_loss(pair, threshold) for pair in pairs]
    loss_x, loss_u = one.loss_x + two.loss_x, cross[0] + cross[1]
    metrics = {
        "loss_x": loss_x,
        "loss_x_1": one.loss_x,
        "loss_x_2": two.loss_x,
        "loss_u": loss_u,
        "loss_u_1": cross[0],
        "loss_u_2": cross[1],
    }
    metrics |= jax.tree.map(lambda a, b: (a + b) / 2, one.shares, two.shares)
    total = loss_x + unlabelled_weight * loss_u
    stats = (one.batch_stats, two.batch_stats)
    batch_stats = dict(zip(NETWORKS, stats, strict=True))
    return Outcome(
        total, pairs, batch_stats, metrics, (one.labelled, two.labelled)
    )


class _Passes(NamedTuple):
    """What the three passes of one network give.

    Attributes:
      target: its CutMixed output of the images, which labels for the other
        network; without gradient.
      shares: the metrics of common.confident_shares.
      mixed: its output of the CutMixed images.
      labelled: its output of the labelled images.
      loss_x: float32 scalar, its labelled loss.
      batch_stats: its own, updated.
    """

    target: NetworkOutput
    shares: dict[str, Array]
    mixed: NetworkOutput
    labelled: NetworkOutput
    loss_x: Array
    batch_stats: dict


def _run_network(
    forward: Forward,
    variables: Variables,
    views: Views,
    mixed_images: Array,
    labelled_loss: Callable[[Array, Array], Array],
    threshold: float,
) -> _Passes:
    """Runs one network on the images, the mixed and the labelled ones."""
    images, in_image = views.unlabelled()
    weak, stats = forward(variables, images, True)
    weak = jax.lax.stop_gradient(weak)
    target = common.cutmix_output(weak, views.box[0], views.mesh)
    shares = common.confident_shares(weak.logits, in_image, threshold)
    after = {**variables, "batch_stats": stats}
    mixed, stats = forward(after, mixed_images, True)
    after = {**variables, "batch_stats": stats}
    labelled, stats = forward(after, views.labelled, True)
    loss_x = labelled_loss(labelled.logits, views.labels)
    return _Passes(target, shares, mixed, labelled, loss_x, stats)


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
