"""Soft Dice: each class counts by its overlap, so rare ones count equally."""

import jax
import jax.numpy as jnp
from jax import Array

from ipixmatch_jax.utils.labels import IGNORE


def dice_loss(logits: Array, labels: Array) -> Array:
    """Mean over the classes present of 1 - 2 |P Y| / (|P| + |Y|).

    The overlap is Milletari et al.'s (V-Net, 2016), with the plain sums in
    the denominator and the pooling over the batch of nnU-Net (Isensee et al.,
    2021): |Y| counts the labelled pixels of a class in the whole batch,
    however many devices hold it, |P| sums its probability over all labelled
    pixels, and |P Y| over those of the class.

    A class counts if a pixel of the batch has it. The background counts too,
    so that a crop of background alone teaches that (ours). |Y| is then at
    least 1, and the quotient needs no smoothing term.

    Args:
      logits: [B, H, W, C], any float dtype; computed in float32.
      labels: integer [B, H, W], class ids or 255 (not counted).

    Returns:
      float32 scalar in [0, 1]; 0 where no pixel is labelled.
    """
    labels = labels.astype(jnp.int32)
    keep = (labels != IGNORE)[..., None]
    shares = jax.nn.softmax(logits.astype(jnp.float32), -1)
    true = labels[..., None] == jnp.arange(logits.shape[-1])
    # 1 - 2PY / (P + Y) = sum |Y - P| / (P + Y). With 1 - P as the sum of the
    # other classes, nothing cancels near 0.
    others = jnp.sum(jnp.where(true, 0.0, shares), -1, keepdims=True)
    apart = jnp.where(keep, jnp.where(true, others, shares), 0.0)
    both = jnp.where(keep, shares + true, 0.0)
    over = (0, 1, 2)
    present = true.any(over)
    size = jnp.where(present, both.sum(over), 1.0)
    loss = jnp.where(present, apart.sum(over) / size, 0.0)
    return loss.sum() / jnp.maximum(present.sum(), 1)
