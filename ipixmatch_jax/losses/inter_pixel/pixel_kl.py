"""KL divergence of single pixels: the control with no relation of pixels."""

import jax.numpy as jnp
from jax import Array

from ipixmatch_jax.losses.inter_pixel.blocks import Image
from ipixmatch_jax.losses.inter_pixel.kl_sums import (
    along_axis,
    divergence,
    fit_block,
    slope_by_logits,
)
from ipixmatch_jax.losses.inter_pixel.layouts import turned
from ipixmatch_jax.losses.inter_pixel.reading import Reading


def pixel_kl(
    image: Image, temperature: Array, size: int | None
) -> tuple[Array, Array]:
    """T^2 mean over pixels of KL over the classes (ours, the control).

    O(N C) time.

    Args:
      image: of C classes.
      temperature: float32 scalar, T.
      size: pixels of a block, see blocks.py.

    Returns:
      float32 scalar, and its slope by the student's logits, float32 [..., C].
    """
    n = image.count_kept()
    rate = 1 / temperature
    layout = turned(image, size)
    along = along_axis(layout.classes)

    def make(total, q, p, keep, fresh):
        fit = fit_block(q, p, rate, along)
        total += jnp.sum(jnp.where(keep & fresh, divergence(fit), 0.0))
        slope = jnp.where(keep, slope_by_logits(fit, q, p, rate), 0.0)
        return total, slope * (temperature / n)

    total, slope = layout.slope_over(make, jnp.zeros(()))
    return temperature**2 * total / n, slope


READING = Reading(pixel_kl)
