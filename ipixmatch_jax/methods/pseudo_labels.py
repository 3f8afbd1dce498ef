"""Pseudo-labels with their confidence, and CutMix."""

import jax
import jax.numpy as jnp
from jax import Array


def confidence_and_labels(logits: Array) -> tuple[Array, Array]:
    """Largest softmax probability and its class.

    Args:
      logits: float [B, H, W, C].

    Returns:
      float32 [B, H, W] and int32 [B, H, W], both without gradient.
    """
    logits = jax.lax.stop_gradient(logits.astype(jnp.float32))
    # max softmax = exp(max - logsumexp): no [B, H, W, C] of probabilities.
    top = logits.max(-1)
    confidence = jnp.exp(top - jax.nn.logsumexp(logits, -1))
    return confidence, jnp.argmax(logits, -1).astype(jnp.int32)


def paste_boxes(x: Array, partner: Array, box: Array) -> Array:
    """CutMix: replaces x inside the boxes by its partner.

    Args:
      x: [B, H, W] or [B, H, W, C].
      partner: as x.
      box: int [B, 4], first row, first column, and one past the last row and
        column; an empty box changes nothing. Or [B, K, 4], several boxes:
        a pixel is replaced if an odd number of them covers it (French et
        al.).

    Returns:
      as x.
    """
    inside = inside_boxes(box, x.shape[1:3])
    if x.ndim == 4:
        inside = inside[..., None]
    return jnp.where(inside, partner, x)


def inside_boxes(box: Array, size_hw: tuple[int, ...]) -> Array:
    """Which pixels of images `paste_boxes` replaces, bool [B, H, W]."""
    rows = jnp.arange(size_hw[0])[:, None]
    columns = jnp.arange(size_hw[1])
    box = box.reshape(box.shape[0], -1, 4)
    top, left, bottom, right = (box[..., i, None, None] for i in range(4))
    inside = (
        (rows >= top) & (rows < bottom) & (columns >= left) & (columns < right)
    )
    return inside.sum(1) % 2 == 1
