"""KL divergence of class maps: channel-wise distillation."""

import jax.numpy as jnp
from jax import Array

from ipixmatch_jax.losses.inter_pixel.blocks import (
    Image,
    pixel_axes,
    slope_over_blocks,
    sum_over_blocks,
)
from ipixmatch_jax.losses.inter_pixel.kl_sums import (
    NEVER,
    Sums,
    divergence,
    fit_sums,
    join_sums,
    slope_by_logits,
    sum_exponentials,
    sum_gaps,
    with_gaps,
)
from ipixmatch_jax.losses.inter_pixel.reading import Reading


def channel_kl(
    image: Image, temperature: Array, size: int | None
) -> tuple[Array, Array]:
    """T^2 mean over classes of KL over the pixels (Shu et al., 2021).

    O(N C) time.

    Args:
      image: of C classes.
      temperature: float32 scalar, T.
      size: pixels of a block, see blocks.py.

    Returns:
      float32 scalar, and its slope by the student's logits, float32 [..., C].
    """
    classes = image.q.shape[-1]
    axes = pixel_axes(image.q)
    zero = jnp.zeros((1, classes))
    start = Sums(zero + NEVER, zero, zero + NEVER, zero, zero)
    rate = 1 / temperature

    def add(sums, q, p, keep):
        return join_sums(
            sums, sum_exponentials(*_kept(q, p, keep), rate, axes), rate
        )

    rough = fit_sums(sum_over_blocks(add, start, image, size), rate)

    def add_gaps(gaps, q, p, keep):
        more = sum_gaps(rough, *_kept(q, p, keep), rate, axes)
        return tuple(x + y for x, y in zip(gaps, more, strict=True))

    fit = with_gaps(
        rough, *sum_over_blocks(add_gaps, (zero, zero), image, size)
    )

    def make(nothing, q, p, keep, fresh):
        slope = slope_by_logits(fit, *_kept(q, p, keep), rate)
        return nothing, slope * (temperature / classes)

    _, slope = slope_over_blocks(make, None, image, size)
    return temperature**2 * divergence(fit).mean(), slope


def _kept(q: Array, p: Array, keep: Array) -> tuple[Array, Array]:
    """Logits in which the pixels that are not kept have probability 0.

    The sums of a block without kept pixels are finite, and become 0 when they
    are joined to those of a block with one.
    """
    return jnp.where(keep, q, NEVER), jnp.where(keep, p, NEVER)


READING = Reading(channel_kl)
