"""DIST's pair: correlation within pixels and within classes.

DIST (Huang et al., 2022) distils a trained teacher with two terms of weight 1
at temperature 1. The inter-class term is 1 - Pearson's r over the classes of a
pixel, averaged over the pixels. The intra-class term is 1 - r over the pixels
of a class, averaged over the classes. DIST takes all pixels of a batch. Ours
are the confident pixels of one image; pixels and classes that the teacher
hardly tells apart are left out.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from ipixmatch_jax.losses.inter_pixel.blocks import (
    Image,
    slope_over_blocks,
    sum_over_blocks,
)
from ipixmatch_jax.losses.inter_pixel.channel_correlation import (
    compare_channels,
    from_zero,
    slope_through_softmax,
)
from ipixmatch_jax.losses.inter_pixel.pearson import (
    MIN_VARIANCE,
    compare_vectors,
    distance,
    distance_slope,
)
from ipixmatch_jax.losses.inter_pixel.reading import Reading


class _Pixels(NamedTuple):
    """Class distributions of pixels, minus their means over the classes.

    Attributes:
      y: float32 [..., C], the student's distribution itself.
      u: float32 [..., C], the student's.
      v: float32 [..., C], the teacher's.
      w: float32 [..., C], u - v.
    """

    y: Array
    u: Array
    v: Array
    w: Array


def dist_correlation(
    image: Image, temperature: Array, size: int | None
) -> tuple[Array, Array]:
    """The sum of DIST's inter-class and intra-class terms.

    Pixels where the teacher's distribution has a variance below 1e-8 are left
    out of the inter-class term. O(N C) time.

    Args:
      image: of C classes.
      temperature: not used.
      size: pixels of a block, see blocks.py.

    Returns:
      float32 scalar, and its slope by the student's logits, float32 [..., C].
    """
    del temperature
    within_classes, class_slope = compare_channels(image, size)

    def count(number, q, p, keep):
        return number + jnp.sum(keep & _varies(_centre(jax.nn.softmax(p))))

    number = sum_over_blocks(count, jnp.int32(0), image, size)
    number = jnp.maximum(number, 1)

    def make(total, q, p, keep, fresh):
        x = _compare_pixels(q, p)
        pair = compare_vectors(
            *map(_dot, (x.u, x.v, x.u, x.w, x.w), (x.u, x.v, x.v, x.w, x.v))
        )
        counts = keep & _varies(x.v)
        total += jnp.sum(jnp.where(counts & fresh, distance(pair), 0.0))
        slope = distance_slope(pair, x.u, x.v, x.w) / number
        slope = slope_through_softmax(x.y, jnp.where(counts, slope, 0.0))
        return total, slope + class_slope(q, p, keep)

    total, slope = slope_over_blocks(make, jnp.zeros(()), image, size)
    return total / number + within_classes, slope


def _compare_pixels(q: Array, p: Array) -> _Pixels:
    student, teacher = jax.nn.softmax(q), jax.nn.softmax(p)
    # Of two sure pixels, 1 - y is compared without rounding it.
    sure = (student > 0.5) & (teacher > 0.5)
    w = from_zero(student, sure) - from_zero(teacher, sure)
    return _Pixels(student, *map(_centre, (student, teacher, w)))


def _centre(x: Array) -> Array:
    """x minus its mean over the classes; exactly 0 where all are equal."""
    x = x - x[..., :1]
    return x - x.mean(-1, keepdims=True)


def _varies(v: Array) -> Array:
    return _dot(v, v) >= MIN_VARIANCE * v.shape[-1]


def _dot(x: Array, y: Array) -> Array:
    """The product of each pixel's two vectors, [..., 1]."""
    return jnp.sum(x * y, -1, keepdims=True)


READING = Reading(dist_correlation)
