"""AugSeg: random colour changes, and CutMix with labelled images."""

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import Mesh

from ipixmatch_jax.data.augment import augseg as augseg_views
from ipixmatch_jax.distributed.neighbours import swap_neighbours
from ipixmatch_jax.losses import cross_entropy
from ipixmatch_jax.methods import common, pseudo_labels
from ipixmatch_jax.methods.base import (
    Consistency,
    Fields,
    Forward,
    Method,
    Outcome,
    TrainingRecipe,
    Variables,
    Views,
)
from ipixmatch_jax.utils.labels import IGNORE


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

    The teacher labels the weak view in eval mode. The less confident it is of
    an image, the more likely the image gets a box of a labelled image pasted
    in, with the true labels. Each image then gets a box of its neighbour,
    including what was pasted there. The student sees the labelled and the
    mixed images in one pass. The unlabelled loss is a mean over all pixels,
    including padding and pixels without a label. AugSeg itself draws the
    neighbours at random.

    Args:
      forward: the network.
      student: the variables that learn.
      teacher: the variables that label, or None: the student itself.
      views: one strong view; `drawn` holds what data/augment/augseg.py draws
        beside it.
      labelled_loss: (logits, labels) -> scalar.
      threshold: least confidence of a pseudo-label.
      unlabelled_weight: factor of the unlabelled loss.
    """
    images, in_image = views.unlabelled()
    (strong,), (box,) = views.strong, views.box
    weak, _ = forward(student if teacher is None else teacher, images, False)
    weak = jax.lax.stop_gradient(weak)
    confidence, labels = pseudo_labels.confidence_and_labels(weak.logits)
    drawn = views.drawn or {}
    inject = drawn["inject"] > image_confidence(weak.logits)
    labelled_box = jnp.where(inject[:, None], drawn["labelled_box"], 0)

    def mixed(x, labelled):
        return inject_and_mix(x, labelled, labelled_box, box, views.mesh)

    clean, output, batch_stats = common.forward_two(
        forward, student, views.labelled, mixed(strong, views.labelled)
    )
    labels = mixed(labels, views.labels.astype(jnp.int32))
    sure = mixed(confidence, jnp.ones_like(confidence)) >= threshold
    loss_x = labelled_loss(clean.logits, views.labels)
    loss_u = _mixed_label_loss(output.logits, labels, sure)
    metrics = {"loss_x": loss_x, "loss_u": loss_u}
    metrics["injected_share"] = inject.astype(jnp.float32).mean()
    metrics |= common.confident_shares(weak.logits, in_image, threshold)
    # The teacher has not seen the labelled pixels: they are not compared.
    valid = mixed(in_image, jnp.zeros_like(in_image))
    target = common.cutmix_output(weak, box, views.mesh)
    pair = Consistency(output, target, valid)
    total = loss_x + unlabelled_weight * loss_u
    return Outcome(total, [pair], batch_stats, metrics, (clean,))


def _mixed_label_loss(logits: Array, labels: Array, sure: Array) -> Array:
    """Sum over the sure pixels with a label, divided by all pixels (AugSeg)."""
    counts = sure & (labels != IGNORE)
    return cross_entropy.masked_cross_entropy(
        logits, labels, counts, jnp.ones_like(sure)
    )


def image_confidence(logits: Array) -> Array:
    """Mean over the pixels of largest probability * (1 - entropy) (AugSeg).

    The entropy is divided by its maximum, the logarithm of the class count.

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
    x: Array,
    labelled: Array,
    labelled_box: Array,
    box: Array,
    mesh: Mesh | None = None,
) -> Array:
    """Pastes labelled pixels into the neighbours, then CutMixes with them.

    The labelled pixels go into the neighbour alone, so they are seen only
    inside the box that is pasted from there (AugSeg).

    Args:
      x: [B, H, W] or [B, H, W, C], of the unlabelled images.
      labelled: as x, of the labelled image at the same place of the batch,
        so that nothing crosses between devices.
      labelled_box: int32 [B, 4], what is pasted of the labelled image; empty
        for nothing.
      box: int32 [B, 4], what is pasted of the neighbour.
      mesh: of the devices that hold the batch; None: one device.

    Returns:
      as x.
    """
    donor = pseudo_labels.paste_boxes(x, labelled, labelled_box)
    return pseudo_labels.paste_boxes(x, swap_neighbours(donor, mesh), box)


def _train_on_voc(unlabelled: int) -> Fields:
    return {
        "data.crop_size": 513,
        "ema.decay": 0.999,
        # Two processes of 8 images.
        **_count_steps(epochs=80, epoch=-(-unlabelled // 2) // 8),
    }


def _train_on_cityscapes(unlabelled: int) -> Fields:
    return {
        "data.crop_size": 800,
        "ema.decay": 0.996,
        "train.learning_rate": 0.01,
        "train.weight_decay": 5e-4,
        "loss.ohem_min_kept": 100_000,
        # Four processes of 4 images.
        **_count_steps(epochs=240, epoch=-(-unlabelled // 4) // 4),
    }


def _count_steps(epochs: int, epoch: int) -> Fields:
    """Batch and steps; `epoch` is in steps, without the last short batch."""
    return {
        "train.batch_size": 16,
        "train.steps": epochs * epoch,
        "train.eval_every": epoch,
        "ema.copy_steps": epoch,
    }


METHOD = Method(
    augseg,
    views=augseg_views.RECIPE,
    recipe=TrainingRecipe(
        published={"voc": _train_on_voc, "cityscapes": _train_on_cityscapes}
    ),
)
