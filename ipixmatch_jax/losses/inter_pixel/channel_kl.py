"""KL divergence of class maps: channel-wise distillation."""

import jax.numpy as jnp
from jax import Array

from ipixmatch_jax.losses.inter_pixel.blocks import Image
from ipixmatch_jax.losses.inter_pixel.kl_sums import (
    NEVER,
    Fit,
    divergence,
    fit_block,
    join_fits,
    slope_by_logits,
)
from ipixmatch_jax.losses.inter_pixel.reading import Reading
from ipixmatch_jax.losses.inter_pixel.rows import cut_rows


def channel_kl(
    image: Image, temperature: Array, size: int | None
) -> tuple[Array, Fit]:
    """T^2 mean over classes of KL over the pixels (Shu et al., 2021).

    O(N C) time.

    Args:
      image: of C classes.
      temperature: float32 scalar, T.
      size: pixels of a block, see blocks.py.

    Returns:
      float32 scalar, and what `channel_kl_slope` needs, float32 [C].
    """
    rows = cut_rows(image, size)
    rate = 1 / temperature

    def fit_kept(q, p, keep):
        # Of pixels that are not kept, the probability is 0. The fit of a
        # block without a kept pixel is finite, and adds nothing to others.
        q, p = jnp.where(keep, q, NEVER), jnp.where(keep, p, NEVER)
        return fit_block(q, p, rate, rows.along)

    fit = join_fits(rows.each(fit_kept), rate)
    return temperature**2 * divergence(fit).mean(), fit


def channel_kl_slope(
    image: Image,
    temperature: Array,
    size: int | None,
    fit: Fit,
    cotangent: Array,
) -> Array:
    """The slope of `channel_kl` times the cotangent, float32 [..., C]."""
    rows = cut_rows(image, size)
    spread = rows.spread(fit)
    scale = cotangent * temperature / image.q.shape[-1]

    def slope_kept(q, p, keep):
        slope = slope_by_logits(spread, q, p, 1 / temperature) * scale
        return jnp.where(keep, slope, 0.0)

    return rows.slope(slope_kept)


READING = Reading(channel_kl, channel_kl_slope)
