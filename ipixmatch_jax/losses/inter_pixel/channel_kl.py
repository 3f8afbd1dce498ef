"""KL divergence of class maps: channel-wise distillation."""

import jax.numpy as jnp
from jax import Array

from ipixmatch_jax.losses.inter_pixel.blocks import Image
from ipixmatch_jax.losses.inter_pixel.kl_sums import (
    NEVER,
    Along,
    Fit,
    Gaps,
    Sums,
    divergence,
    fit_sums,
    join_sums,
    slope_by_logits,
    sum_exponentials,
    sum_gaps,
    with_gaps,
)
from ipixmatch_jax.losses.inter_pixel.layouts import flat
from ipixmatch_jax.losses.inter_pixel.reading import Reading


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
    zero = jnp.zeros(image.q.shape[-1])
    layout = flat(image, size)
    along = Along(layout.sum, layout.max, layout.spread)
    rate = 1 / temperature

    def add(sums, q, p, keep):
        more = sum_exponentials(*_kept(q, p, keep), rate, along)
        return join_sums(sums, more, rate)

    start = Sums(zero + NEVER, zero, zero + NEVER, zero)
    fit = fit_sums(layout.sum_over(add, start), rate)
    spread = layout.spread(fit)

    def add_gaps(sums, q, p, keep):
        more = sum_gaps(spread, *_kept(q, p, keep), rate, along)
        return Gaps(*map(jnp.add, sums, more))

    fit = with_gaps(fit, layout.sum_over(add_gaps, Gaps(zero, zero, zero)))
    return temperature**2 * divergence(fit).mean(), fit


def channel_kl_slope(
    image: Image,
    temperature: Array,
    size: int | None,
    fit: Fit,
    cotangent: Array,
) -> Array:
    """The slope of `channel_kl` times the cotangent, float32 [..., C]."""
    layout = flat(image, size)
    spread = layout.spread(fit)
    scale = cotangent * temperature / image.q.shape[-1]

    def make(nothing, q, p, keep, fresh):
        del fresh
        q, p = _kept(q, p, keep)
        return nothing, slope_by_logits(spread, q, p, 1 / temperature) * scale

    return layout.slope_over(make, None)[1]


def _kept(q: Array, p: Array, keep: Array) -> tuple[Array, Array]:
    """Logits in which the pixels that are not kept have probability 0.

    The sums of a block without kept pixels are finite, and become 0 when they
    are joined to those of a block with one.
    """
    return jnp.where(keep, q, NEVER), jnp.where(keep, p, NEVER)


READING = Reading(channel_kl, channel_kl_slope)
