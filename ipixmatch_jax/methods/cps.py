"""Cross pseudo supervision (CPS): two students label for each other."""

import jax
from ml_collections import ConfigDict

from ipixmatch_jax.data.augment import view_recipes
from ipixmatch_jax.methods import common
from ipixmatch_jax.methods.base import (
    SHARED,
    Consistency,
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
    box = views.box[0]
    image = common.cutmix(views.strong[0], box)
    valid = common.cutmix(views.valid, box)
    targets, mixed, losses_x, stats, shares = [], [], [], [], []
    networks = split_networks(student)
    for variables in (networks[name] for name in NETWORKS):
        weak, new = forward(variables, views.weak, True)
        weak = jax.lax.stop_gradient(weak)
        targets.append(common.cutmix(weak, box))
        shares.append(common.confident_shares(weak, views.valid, threshold))
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


def _keep_every_label(c: ConfigDict) -> None:
    c.teacher = SHARED  # the students label for each other
    c.pseudo_label.threshold = 0.0


def _train_on_voc(c: ConfigDict, unlabelled: int) -> None:
    # 0.0025 times four GPUs, and weight 1 with CutMix.
    c.data.crop_size = 512
    _set_rates(c, rate=0.01, weight=1.0)
    # 60 epochs of all 10,582 images at batch 16, for every split.
    _set_steps(c, 10_582 * 60 / 16, unlabelled)


def _train_on_cityscapes(c: ConfigDict, unlabelled: int) -> None:
    # The script's rate; the weight is 5 with CutMix, 6 without.
    c.data.crop_size = 800
    _set_rates(c, rate=0.02, weight=5.0)
    _set_steps(c, 2_975 * 240 / 16, unlabelled)


def _set_rates(c: ConfigDict, rate: float, weight: float) -> None:
    # Theirs leaves batch norms and biases out of the weight decay.
    c.train.learning_rate = rate
    c.train.head_multiplier = 1.0
    c.loss.unlabelled_weight = weight


def _set_steps(c: ConfigDict, steps: float, unlabelled: int) -> None:
    """Sets the number of whole epochs that is nearest to `steps` at batch 8."""
    c.train.batch_size = 8
    epochs = round(steps * 8 / unlabelled)
    c.train.steps = epochs * (unlabelled // 8)
    c.train.eval_every = unlabelled // 8


METHOD = Method(
    cps,
    views=view_recipes.THREE_BOXES,
    teacher=(SHARED,),
    networks=NETWORKS,
    recipe=TrainingRecipe(
        _keep_every_label,
        {"voc": _train_on_voc, "cityscapes": _train_on_cityscapes},
    ),
)
