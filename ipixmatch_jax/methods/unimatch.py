"""UniMatch: two strong views, and a view with perturbed features."""

import functools
from typing import NamedTuple

import jax
from jax import Array

from ipixmatch_jax.data.augment import view_recipes
from ipixmatch_jax.distributed.neighbours import swap_neighbours
from ipixmatch_jax.methods import common, pseudo_labels
from ipixmatch_jax.methods.base import (
    Consistency,
    Forward,
    Method,
    NetworkOutput,
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
      output: the teacher's, of these images.
      valid: bool [B, H, W].
    """

    strong: tuple[Array, ...]
    output: NetworkOutput
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

    UniMatch v1. First pass of the student, in train mode: the labelled and
    the weak images; its decoder sees the feature maps and copies of them with
    half of the channels zeroed. Second pass: both strong views. All three
    views learn from the labels of the weak view; for the strong views these
    are CutMixed as the images are. Without a teacher (v1) the labels are the
    student's own from the first pass; with one (as in V2) they are the
    teacher's, in eval mode.

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
        their own labels. v1 takes another view of the same images, labelled
        by the student in eval mode.
      perturb: changes the features of the labelled and weak images, which
        are interleaved; None: channel dropout with the seeds in `views`.
    """
    _, valid = views.unlabelled()
    perturb = perturb or channel_dropout((views.drawn or {})["dropout"])
    first = _run_first_pass(forward, student, teacher, views, perturb)
    weak = first.weak
    partner = jax.lax.stop_gradient(partner or _take_neighbours(views, weak))
    after = {**student, "batch_stats": first.batch_stats}
    pairs, stats = _run_mixed_pass(forward, after, views, weak, partner)
    pairs.append(Consistency(first.perturbed, weak, valid))

    loss_x = labelled_loss(first.labelled.logits, views.labels)
    loss_1, loss_2, loss_fp = (
        common.hard_label_loss(pair, threshold) for pair in pairs
    )
    loss_u = 0.25 * loss_1 + 0.25 * loss_2 + 0.5 * loss_fp
    metrics = {
        "loss_x": loss_x,
        "loss_u": loss_u,
        "loss_u_1": loss_1,
        "loss_u_2": loss_2,
        "loss_fp": loss_fp,
    }
    metrics |= common.confident_shares(weak.logits, valid, threshold)
    total = (loss_x + unlabelled_weight * loss_u) / 2
    return Outcome(total, pairs, stats, metrics, (first.labelled,))


class _FirstPass(NamedTuple):
    """What the labelled and the weak images give.

    Attributes:
      labelled: the student's output of the labelled images.
      weak: the output that labels the weak images; without gradient.
      perturbed: the student's output of the weak images' perturbed features.
      batch_stats: the student's, updated.
    """

    labelled: NetworkOutput
    weak: NetworkOutput
    perturbed: NetworkOutput
    batch_stats: dict


def _run_first_pass(
    forward: Forward,
    student: Variables,
    teacher: Variables | None,
    views: Views,
    perturb: Perturb,
) -> _FirstPass:
    """Runs the student on labelled and weak images; has the weak labelled."""
    images, _ = views.unlabelled()
    labelled, clean, perturbed, stats = common.forward_two_perturbed(
        forward, student, views.labelled, images, perturb
    )
    weak = clean if teacher is None else forward(teacher, images, False)[0]
    return _FirstPass(labelled, jax.lax.stop_gradient(weak), perturbed, stats)


def _run_mixed_pass(
    forward: Forward,
    student: Variables,
    views: Views,
    weak: NetworkOutput,
    partner: Partner,
) -> tuple[list[Consistency], dict]:
    """Runs the student on the CutMixed strong views.

    Returns:
      a pair for each strong view, and the new batch statistics.
    """
    _, valid = views.unlabelled()
    mixed = [
        pseudo_labels.paste_boxes(image, other, box)
        for image, other, box in zip(
            views.strong, partner.strong, views.box, strict=True
        )
    ]
    *strong, stats = common.forward_two(forward, student, *mixed)
    pairs = [
        Consistency(
            view,
            common.paste_output(weak, partner.output, box),
            pseudo_labels.paste_boxes(valid, partner.valid, box),
        )
        for view, box in zip(strong, views.box, strict=True)
    ]
    return pairs, stats


def _take_neighbours(views: Views, weak: NetworkOutput) -> Partner:
    swap = functools.partial(swap_neighbours, mesh=views.mesh)
    strong = tuple(swap(image) for image in views.strong)
    _, valid = views.unlabelled()
    return Partner(strong, jax.tree.map(swap, weak), swap(valid))


def channel_dropout(seeds: Array) -> Perturb:
    """Dropout of whole channels, each map with its own masks (UniMatch v1).

    v1 drops channels of the first and the last map, the two that its head
    uses. What happens to a map that a head ignores makes no difference.

    Args:
      seeds: uint32 [B / 2, 2]; read row by row, one for each image of the
        batch.
    """
    keys = jax.vmap(jax.random.key)(seeds.reshape(-1))

    def drop(x: Array, name: int) -> Array:
        def keep(key):
            key = jax.random.fold_in(key, name)
            return jax.random.bernoulli(key, 1 - DROPPED, x.shape[-1:])

        factor = jax.vmap(keep)(keys) / (1 - DROPPED)
        return x * factor[:, None, None, :].astype(x.dtype)

    return lambda features: tuple(
        drop(x, number) for number, x in enumerate(features, start=1)
    )


# The recipe is v1's, which the config files start from.
METHOD = Method(unimatch, views=view_recipes.UNIMATCH)
