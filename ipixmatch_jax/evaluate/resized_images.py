"""Whole images for networks that want sides of a multiple (UniMatch V2)."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from ipixmatch_jax.models.layers.resize import resize_align_corners


def nearest_multiple(side: int, multiple: int) -> int:
    """The multiple nearest to a side; of two equally near ones, the larger.

    Args:
      side: height or width in pixels.
      multiple: a patch's side, such as 14.
    """
    return max(int(side / multiple + 0.5), 1) * multiple


def nearest_size(shape: tuple[int, ...], multiple: int) -> tuple[int, int]:
    """Height and width of images as a network sees them.

    Args:
      shape: of the images, [B, H, W, C].
      multiple: see `nearest_multiple`.
    """
    _, height, width, _ = shape
    return (
        nearest_multiple(height, multiple),
        nearest_multiple(width, multiple),
    )


def resize_images(
    images: jax.Array, size: tuple[int, int], sizes: jax.Array | None
) -> jax.Array:
    """Images [B, H, W, C] as the network sees them, [B, *size, C].

    See `resized_logits`.
    """
    if sizes is None:
        same = size == images.shape[1:3]
        return images if same else resize_align_corners(images, size)
    there = jnp.full_like(sizes, jnp.asarray(size))
    return resize_align_corners(images, size, sizes, there)


def resize_logits_back(
    logits: jax.Array, size: tuple[int, int], sizes: jax.Array | None
) -> jax.Array:
    """The network's logits [B, h, w, K] at the images' size, [B, *size, K].

    See `resized_logits`.
    """
    there = logits.shape[1:3]
    if sizes is None:
        return logits if size == there else resize_align_corners(logits, size)
    full = jnp.full_like(sizes, jnp.asarray(there))
    return resize_align_corners(logits, size, full, sizes)


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
    logits = forward(resize_images(images, size, sizes))
    _, height, width, _ = images.shape
    return resize_logits_back(logits, (height, width), sizes)
