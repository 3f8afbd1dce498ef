"""Whole images for networks that want sides of a multiple (UniMatch V2)."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from ipixmatch_jax.models.layers.resize import resize_align_corners


def nearest_multiple(side: int, multiple: int) -> int:
    """The multiple nearest to a side, the larger of two as near; at least 1.

    Args:
      side: height or width in pixels.
      multiple: a patch's side, such as 14.
    """
    return max(int(side / multiple + 0.5), 1) * multiple


def resized_logits(
    forward: Callable[[jax.Array], jax.Array],
    images: jax.Array,
    size: tuple[int, int],
    sizes: jax.Array | None = None,
) -> jax.Array:
    """Logits of images that the network sees at another size.

    Bilinear with aligned corners there and back (UniMatch V2). Images of
    several sizes can share a batch if the network sees them at one.

    Args:
      forward: images [B, h, w, C] -> logits [B, h, w, K] of that size.
      images: normalised float32 [B, H, W, C], 0 outside the true sizes.
      size: (h, w) for the network: nearest_multiple of the true sides.
      sizes: int32 [B, 2], true heights and widths; None: H and W.

    Returns:
      float32 [B, H, W, K], 0 outside the true sizes.
    """
    _, height, width, _ = images.shape
    here = height, width
    if sizes is None:
        if size == here:
            return forward(images)
        logits = forward(resize_align_corners(images, size))
        return resize_align_corners(logits, here)
    there = jnp.full_like(sizes, jnp.asarray(size))
    logits = forward(resize_align_corners(images, size, sizes, there))
    return resize_align_corners(logits, here, there, sizes)
