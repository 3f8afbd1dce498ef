"""AugSeg: random intensities, and CutMix that injects labelled pixels."""

import jax
import jax.numpy as jnp
from jax import Array

from ipixmatch_jax.losses import cross_entropy
from ipixmatch_jax.methods import common, pseudo_labels
from ipixmatch_jax.methods.base import (
    Consistency,
    Forward,
    Outcome,
    Variables,
    Views,
)


def augseg(
    forward: Forward,
    student: Variables,
    teacher: Variables | None,
    views: Views,
    *,
    labelled_loss,
    threshold: float,
    unlabelled_weight: float,
) -> Outcome:
    """Labelled loss + weight * unlabelled loss (AugSeg).

    The teacher labels the weak view in eval mode. An image of which it is
    unsure is likely to have a box of a labelled image, true labels included,
    pasted into it; each image then receives a box of its neighbour as that
    has become. The student sees labelled and mixed images in one pass. The
    unlabelled loss is a mean over all pixels, padding and pixels without a
    label included. AugSeg itself draws the neighbours at random.

    Args:
      forward: the network.
      student: the variables that learn.
      teacher: the variables that label, or None: the student itself.
      views: one strong view, and what data/intensity.py draws beside it.
      labelled_loss: (logits, labels) -> scalar.
      threshold: least confidence of a pseudo-label.
      unlabelled_weight: factor of the unlabelled loss.
    """
    (strong,), (box,) = views.strong, views.box
    weak, _ = forward(
        student if teacher is None else teacher, views.weak, False
    )
    weak = jax.lax.stop_gradient(weak)
    confidence, labels = pseudo_labels.confidence_and_labels(weak)
    inject = views.drawn["inject"] > image_confidence(weak)
    labelled_box = jnp.where(inject[:, None], views.drawn["labelled_box"], 0)

    def mixed(x, labelled):
        return inject_and_mix(x, labelled, labelled_box, box)

    clean, logits, batch_stats = common.pair(
        forward, student, views.labelled, mixed(strong, views.labelled)
    )
    labels = mixed(labels, views.labels.astype(jnp.int32))
    sure = mixed(confidence, jnp.ones_like(confidence)) >= threshold
    loss_x = labelled_loss(clean, views.labels)
    loss_u = cross_entropy.masked_cross_entropy(
        logits,
        labels,
        sure & (labels != cross_entropy.IGNORE),
        jnp.ones_like(sure),
    )
    metrics = {"loss_x": loss_x, "loss_u": loss_u}
    metrics["injected_share"] = inject.astype(jnp.float32).mean()
    metrics |= common.confident(weak, views.valid, threshold)
    # The teacher has not seen the labelled pixels: they are not compared.
    valid = mixed(views.valid, jnp.zeros_like(views.valid))
    pair = Consistency(logits, common.mix(weak, box), valid)
    total = loss_x + unlabelled_weight * loss_u
    return Outcome(total, [pair], batch_stats, metrics)


def image_confidence(logits: Array) -> Array:
    """Mean over the pixels of largest probability * (1 - entropy) (AugSeg).

    The entropy is a share of its maximum, the logarithm of the class count.

    Args:
      logits: float32 [B, H, W, C].

    Returns:
      float32 [B], in [0, 1].
    """
    log_p = jax.nn.log_softmax(logits)
    p = jnp.exp(log_p)
    entropy = -jnp.sum(p * log_p, -1) / jnp.log(logits.shape[-1])
    return jnp.mean(p.max(-1) * (1 - entropy), (1, 2))


def inject_and_mix(
    x: Array, labelled: Array, labelled_box: Array, box: Array
) -> Array:
    """Labelled pixels into each image, then a box of each one's neighbour.

    Injected pixels show only where the neighbour's box shows them: an image
    does not keep its own (AugSeg).

    Args:
      x: [B, H, W] or [B, H, W, C], of the unlabelled images.
      labelled: as x, of the labelled image at the same place of the batch,
        so that nothing crosses between devices.
      labelled_box: int32 [B, 4]; empty where nothing is injected.
      box: int32 [B, 4].

    Returns:
      as x.
    """
    donor = pseudo_labels.paste(x, labelled, labelled_box)
    return pseudo_labels.paste(x, pseudo_labels.neighbours(donor), box)
