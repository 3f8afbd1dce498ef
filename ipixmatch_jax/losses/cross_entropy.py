"""Losses of single pixels: cross entropy, plain, weighted and masked."""

import jax
import jax.numpy as jnp
from jax import Array

from ipixmatch_jax.utils.labels import IGNORE


def _pixel_cross_entropy(logits: Array, labels: Array) -> Array:
    """-log softmax(logits)[labels], float32 [B, H, W]; labels in range."""
    logits = logits.astype(jnp.float32)
    # A sum over a comparison, since the gradient of a gather is a slow scatter.
    true = labels[..., None] == jnp.arange(logits.shape[-1])
    return jax.nn.logsumexp(logits, -1) - jnp.sum(
        jnp.where(true, logits, 0.0), -1
    )


def _mean(values: Array, keep: Array) -> Array:
    """Mean of the values where keep is True; 0 if it is nowhere True."""
    return jnp.sum(jnp.where(keep, values, 0.0)) / jnp.maximum(keep.sum(), 1)


def cross_entropy(logits: Array, labels: Array) -> Array:
    """Mean cross entropy over the labelled pixels of the batch.

    Args:
      logits: [B, H, W, C], any float dtype.
      labels: integer [B, H, W], class ids or 255 (not counted).

    Returns:
      float32 scalar; 0 where no pixel is labelled (torch gives NaN there).
    """
    labels = labels.astype(jnp.int32)
    keep = labels != IGNORE
    loss = _pixel_cross_entropy(logits, jnp.where(keep, labels, 0))
    return _mean(loss, keep)


def weighted_cross_entropy(
    logits: Array, labels: Array, *, weights: tuple[float, ...]
) -> Array:
    """Cross entropy in which some classes count more (torch's `weight`).

    The sum over the labelled pixels of the batch of w_y times the cross
    entropy is divided by the sum of w_y, so the scale of the weights does not
    matter.

    Args:
      logits: [B, H, W, C], any float dtype.
      labels: integer [B, H, W], class ids or 255 (not counted).
      weights: one number from 0 up per class.

    Returns:
      float32 scalar; 0 where no pixel is labelled or all have weight 0.
    """
    labels = labels.astype(jnp.int32)
    keep = labels != IGNORE
    loss = _pixel_cross_entropy(logits, jnp.where(keep, labels, 0))
    true = labels[..., None] == jnp.arange(logits.shape[-1])
    weight = jnp.sum(jnp.where(true, jnp.asarray(weights), 0.0), -1)
    total = weight.sum()
    return jnp.sum(weight * loss) / jnp.where(total > 0, total, 1.0)


def ohem_cross_entropy(
    logits: Array, labels: Array, *, threshold: float, min_kept: int
) -> Array:
    """Cross entropy of the hardest pixels, OHEM (UniMatch v1).

    A pixel is kept if the probability of its true class is at most
    max(threshold, the min_kept-th smallest such probability). All are kept if
    fewer than min_kept are labelled, or if min_kept is 0. The pixels of the
    whole batch are ranked, however many devices hold it; the reference ranks
    those of each device.

    Args:
      logits: [B, H, W, C], any float dtype.
      labels: integer [B, H, W], class ids or 255 (not counted).
      threshold: probability.
      min_kept: pixels.

    Returns:
      float32 scalar; 0 where no pixel is labelled.
    """
    labels = labels.astype(jnp.int32)
    valid = labels != IGNORE
    loss = _pixel_cross_entropy(logits, jnp.where(valid, labels, 0))
    if not 0 < min_kept <= valid.size:
        return _mean(loss, valid)
    # Ranking by the loss is ranking by the probability, in reverse.
    hardest = jax.lax.stop_gradient(jnp.where(valid, loss, 0.0))
    probability = jnp.where(valid, jnp.exp(-hardest), 1.0)
    kth = jnp.sort(probability.ravel())[min_kept - 1]
    hard = probability <= jnp.maximum(kth, threshold)
    enough = valid.sum() >= min_kept
    return _mean(loss, valid & (hard | ~enough))


def masked_cross_entropy(
    logits: Array, labels: Array, keep: Array, valid: Array
) -> Array:
    """Cross entropy of some pixels, averaged over more (UniMatch v1).

    Args:
      logits: [B, H, W, C], any float dtype.
      labels: integer [B, H, W], class ids.
      keep: bool [B, H, W], the pixels whose loss is summed.
      valid: bool [B, H, W], the pixels that are not padding; the sum is
        divided by their number.

    Returns:
      float32 scalar; 0 where nothing is valid.
    """
    loss = _pixel_cross_entropy(logits, labels.astype(jnp.int32))
    total = jnp.sum(jnp.where(keep & valid, loss, 0.0))
    return total / jnp.maximum(valid.sum(), 1)


def squared_difference(student: Array, teacher: Array, valid: Array) -> Array:
    """Squared difference of softmax, summed over classes (French et al.).

    Args:
      student: logits [B, H, W, C], any float dtype.
      teacher: logits [B, H, W, C], without gradient.
      valid: bool [B, H, W]; the other pixels count as 0 in the mean.

    Returns:
      float32 scalar, the mean over all pixels of the batch.
    """
    q = jax.nn.softmax(student.astype(jnp.float32), -1)
    p = jax.lax.stop_gradient(jax.nn.softmax(teacher.astype(jnp.float32), -1))
    return jnp.where(valid, jnp.square(q - p).sum(-1), 0.0).mean()
