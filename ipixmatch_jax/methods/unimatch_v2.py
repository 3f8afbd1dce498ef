"""UniMatch V2: two strong views with complementary channel dropout."""

import jax
from jax import Array

from ipixmatch_jax.data.augment import view_recipes
from ipixmatch_jax.distributed.neighbours import swap_neighbours
from ipixmatch_jax.methods import common
from ipixmatch_jax.methods.base import (
    AVERAGED,
    Consistency,
    Forward,
    Method,
    NetworkOutput,
    Outcome,
    Perturb,
    TrainingRecipe,
    Variables,
    Views,
)
from ipixmatch_jax.methods.complementary_dropout import (
    complementary_masks,
    multiply_channels,
)
from ipixmatch_jax.methods.pseudo_labels import paste_boxes


def unimatch_v2(
    forward: Forward,
    student: Variables,
    teacher: Variables,
    views: Views,
    *,
    labelled_loss,
    threshold: float,
    unlabelled_weight: float,
    perturb: Perturb | None = None,
) -> Outcome:
    """(labelled + (strong_1 + strong_2) / 2) / 2, as UniMatch V2.

    The teacher labels the weak view in eval mode. The student sees the
    labelled images in one pass, and in a second one both strong views: of
    half of the images, each view loses the channels that the other keeps.
    The CutMix partner is the neighbour in the batch; V2's is the image at the
    same place from the batch's end.

    Args:
      forward: the network.
      student: the variables that learn.
      teacher: the variables that label.
      views: all of them, two strong; `drawn["dropout"]` are seeds, uint32
        [B, 2], of which the second, the unlabelled images' own, are used.
      labelled_loss: (logits, labels) -> scalar.
      threshold: least confidence of a pseudo-label.
      unlabelled_weight: factor of the unlabelled losses; 1 in the reference.
      perturb: changes the features of both views, which are interleaved;
        None: complementary dropout with the seeds in `views`.
    """
    images, valid = views.unlabelled()
    if perturb is None:
        drawn = views.drawn or {}
        perturb = complementary_dropout(drawn["dropout"][:, 1])
    weak, _ = forward(teacher, images, False)
    weak = jax.lax.stop_gradient(weak)
    labelled, stats = forward(student, views.labelled, True)
    after = {**student, "batch_stats": stats}
    pairs, stats = _run_mixed_pass(forward, after, views, weak, perturb)
    loss_x = labelled_loss(labelled.logits, views.labels)
    loss_1, loss_2 = (common.hard_label_loss(pair, threshold) for pair in pairs)
    loss_u = (loss_1 + loss_2) / 2
    metrics = {
        "loss_x": loss_x,
        "loss_u": loss_u,
        "loss_u_1": loss_1,
        "loss_u_2": loss_2,
    }
    metrics |= common.confident_shares(weak.logits, valid, threshold)
    total = (loss_x + unlabelled_weight * loss_u) / 2
    return Outcome(total, pairs, stats, metrics, (labelled,))


def _run_mixed_pass(
    forward: Forward,
    student: Variables,
    views: Views,
    weak: NetworkOutput,
    perturb: Perturb,
) -> tuple[list[Consistency], dict]:
    """Runs the student on both CutMixed strong views, features perturbed.

    Returns:
      a pair for each strong view, and the new batch statistics.
    """
    _, valid = views.unlabelled()
    mixed = [
        common.cutmix(image, box, views.mesh)
        for image, box in zip(views.strong, views.box, strict=True)
    ]
    both = common.interleave(*mixed)
    strong, stats = forward(student, both, True, perturb, keep_clean=False)
    # Once for both views: the partner may be on another device.
    partner_weak = common.swap_output(weak, views.mesh)
    partner_valid = swap_neighbours(valid, views.mesh)
    pairs = [
        Consistency(
            output,
            common.paste_output(weak, partner_weak, box),
            paste_boxes(valid, partner_valid, box),
        )
        for output, box in zip(
            common.split_output(strong), views.box, strict=True
        )
    ]
    return pairs, stats


def complementary_dropout(seeds: Array) -> Perturb:
    """Dropout of the features of interleaved pairs of views.

    Args:
      seeds: uint32 [B], one for each pair; see complementary_masks.
    """

    def drop(features: tuple[Array, ...]) -> tuple[Array, ...]:
        channels = tuple(x.shape[-1] for x in features)
        first, second = complementary_masks(seeds, channels)
        masks = tuple(map(common.interleave, first, second))
        return multiply_channels(features, masks)

    return drop


# Rates, batch and steps go with the encoder; the config files hold them.
METHOD = Method(
    unimatch_v2,
    views=view_recipes.UNIMATCH,
    teacher=(AVERAGED,),
    recipe=TrainingRecipe({"teacher": AVERAGED}),
)
