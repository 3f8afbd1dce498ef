"""UniMatch: two strong views and a stream of perturbed features."""

from typing import NamedTuple

import jax
from jax import Array

from ipixmatch_jax.methods import common, pseudo_labels
from ipixmatch_jax.methods.base import (
    Consistency,
    Forward,
    Outcome,
    Perturb,
    Variables,
    Views,
)

DROPPED = 0.5  # Probability of a channel to be zeroed (UniMatch v1).


class Partner(NamedTuple):
    """What CutMix pastes into the strong views.

    Attributes:
      strong: one float32 [B, H, W, 3] for each strong view.
      logits: float32 [B, H, W, C], the teacher's.
      valid: bool [B, H, W].
    """

    strong: tuple[Array, Array]
    logits: Array
    valid: Array


def unimatch(
    forward: Forward,
    student: Variables,
    teacher: Variables | None,
    views: Views,
    *,
    labelled_loss,
    threshold: float,
    unlabelled_weight: float,
    partner: Partner | None = None,
    perturb: Perturb | None = None,
) -> Outcome:
    """(labelled + strong_1 / 4 + strong_2 / 4 + perturbed / 2) / 2.

    UniMatch v1: the student passes labelled and weak images once, in train
    mode, its decoder over the clean maps and over copies with half of the
    channels of c1 and c4 zeroed; then both strong views in a second pass.
    All streams learn from the weak view's labels, those of the strong views
    CutMixed. Without a teacher (v1) these are the student's own, from the
    first pass; with one (as V2's), the teacher's in eval mode.

    Args:
      forward: the network.
      student: the variables that learn.
      teacher: the variables that label, or None: the student itself.
      views: all of them, two strong; `drawn["dropout"]` are the seeds,
        uint32 [B, 2], of the labelled and of the unlabelled images.
      labelled_loss: (logits, labels) -> scalar.
      threshold: least confidence of a pseudo-label.
      unlabelled_weight: factor of the unlabelled losses; 1 in the reference.
      partner: what CutMix pastes; None: the neighbours in the batch, with
        the labels that they have there. v1 takes another view of the same
        images, labelled by the student in eval mode.
      perturb: of the features of labelled and weak images, which take turns
        in the batch; None: channel dropout with the seeds drawn.
    """
    perturb = perturb or channel_dropout(views.drawn["dropout"])
    labelled, clean, perturbed, stats = common.perturbed_pair(
        forward, student, views.labelled, views.weak, perturb
    )
    weak = clean if teacher is None else forward(teacher, views.weak, False)[0]
    weak = jax.lax.stop_gradient(weak)
    partner = partner or _neighbours(views, weak)
    partner = jax.lax.stop_gradient(partner)
    mixed = [
        pseudo_labels.paste(image, other, box)
        for image, other, box in zip(
            views.strong, partner.strong, views.box, strict=True
        )
    ]
    after = {**student, "batch_stats": stats}
    strong_1, strong_2, stats = common.pair(forward, after, *mixed)
    pairs = [
        Consistency(
            logits,
            pseudo_labels.paste(weak, partner.logits, box),
            pseudo_labels.paste(views.valid, partner.valid, box),
        )
        for logits, box in zip((strong_1, strong_2), views.box, strict=True)
    ]
    pairs.append(Consistency(perturbed, weak, views.valid))

    loss_x = labelled_loss(labelled, views.labels)
    loss_1, loss_2, loss_fp = (
        common.hard_loss(pair, threshold) for pair in pairs
    )
    loss_u = 0.25 * loss_1 + 0.25 * loss_2 + 0.5 * loss_fp
    metrics = {
        "loss_x": loss_x,
        "loss_u": loss_u,
        "loss_u_1": loss_1,
        "loss_u_2": loss_2,
        "loss_fp": loss_fp,
    }
    metrics |= common.confident(weak, views.valid, threshold)
    total = (loss_x + unlabelled_weight * loss_u) / 2
    return Outcome(total, pairs, stats, metrics)


def _neighbours(views: Views, weak: Array) -> Partner:
    swap = pseudo_labels.neighbours
    strong = tuple(swap(image) for image in views.strong)
    return Partner(strong, swap(weak), swap(views.valid))


def channel_dropout(seeds: Array) -> Perturb:
    """Zeroes channels of c1 and c4, each with its own masks (UniMatch v1).

    Args:
      seeds: uint32 [B, 2]; row-major they are those of the batch.
    """
    keys = jax.vmap(jax.random.key)(seeds.reshape(-1))

    def drop(x: Array, name: int) -> Array:
        def keep(key):
            key = jax.random.fold_in(key, name)
            return jax.random.bernoulli(key, 1 - DROPPED, x.shape[-1:])

        factor = jax.vmap(keep)(keys) / (1 - DROPPED)
        return x * factor[:, None, None, :].astype(x.dtype)

    return lambda features: (
        drop(features[0], 1),
        *features[1:-1],
        drop(features[-1], 4),
    )
