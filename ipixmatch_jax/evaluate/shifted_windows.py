"""Sliding windows, the last of which is shifted to the border (UniMatch V2)."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ipixmatch_jax.evaluate.resized_images import (
    nearest_multiple,
    resized_logits,
)


def shifted_starts(length: int, window: int) -> list[int]:
    """First pixels of the windows along a side: steps of 2/3 of a window.

    The last window ends where the side ends. A side up to a window's length
    has one window, at 0 (V2's own loop never ends if it is shorter).
    """
    last = max(length - window, 0)
    step = max(int(window * 2 / 3), 1)
    return [*range(0, last, step), last]


def summed_probabilities(
    forward: Callable[[jax.Array], jax.Array],
    images: jax.Array,
    window: int,
    multiple: int,
) -> jax.Array:
    """Softmax of every window, summed where windows overlap.

    A window is as long as the image where that is shorter, and the network
    then sees it resized to the nearest multiple (ours).

    Args:
      forward: images [B, h, w, C] -> logits [B, h, w, K] of that size.
      images: normalised float32 [B, H, W, C], all of them whole.
      window: side of a window in pixels.
      multiple: what the network's sides must be multiples of.

    Returns:
      float32 [B, H, W, K], whose argmax is the prediction.
    """
    batch, height, width, channels = images.shape
    sides = min(height, window), min(width, window)
    size = (
        nearest_multiple(sides[0], multiple),
        nearest_multiple(sides[1], multiple),
    )
    starts = [
        (row, column)
        for row in shifted_starts(height, window)
        for column in shifted_starts(width, window)
    ]

    def probabilities(start):
        at = (0, start[0], start[1], 0)
        part = lax.dynamic_slice(images, at, (batch, *sides, channels))
        return jax.nn.softmax(resized_logits(forward, part, size))

    def add(total, start):
        part = probabilities(start)
        at = (0, start[0], start[1], 0)
        old = lax.dynamic_slice(total, at, part.shape)
        return lax.dynamic_update_slice(total, old + part, at), None

    classes = jax.eval_shape(probabilities, np.zeros(2, np.int32)).shape[-1]
    total = jnp.zeros((batch, height, width, classes), jnp.float32)
    total, _ = lax.scan(add, total, jnp.asarray(starts, jnp.int32))
    return total
