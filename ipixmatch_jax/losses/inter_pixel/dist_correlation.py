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

from ipixmatch_jax.losses.inter_pixel.blocks import Image
from ipixmatch_jax.losses.inter_pixel.channel_correlation import (
    channel_slope,
    compare_channels,
    from_zero,
    slope_through_softmax,
)
from ipixmatch_jax.losses.inter_pixel.layouts import turned
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
      y: float32, the student's distribution itself.
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
    layout = turned(image, size)
    axis = layout.classes
    within_classes, maps = compare_channels(image, layout)
    class_slope = channel_slope(maps, layout)

    def count(number, q, p, keep):
        del q
        v = _centre(jax.nn.softmax(p, axis), axis)
        return number + jnp.sum(keep & _varies(v, axis))

    number = jnp.maximum(layout.sum_over(count, jnp.int32(0)), 1)

    def make(total, q, p, keep, fresh):
        x = _compare_pixels(q, p, axis)
        pair = compare_vectors(
            *(
                _dot(*two, axis)
                for two in zip(
                    (x.u, x.v, x.u, x.w, x.w),
                    (x.u, x.v, x.v, x.w, x.v),
                    strict=True,
                )
            )
        )
        counts = keep & _varies(x.v, axis)
        total += jnp.sum(jnp.where(counts & fresh, distance(pair), 0.0))
        slope = distance_slope(pair, x.u, x.v, x.w) / number
        slope = jnp.where(counts, slope, 0.0)
        slope = slope_through_softmax(x.y, slope, axis)
        return total, slope + class_slope(q, p, keep)

    total, slope = layout.slope_over(make, jnp.zeros(()))
    return total / number + within_classes, slope


def _compare_pixels(q: Array, p: Array, axis: int) -> _Pixels:
    student, teacher = (jax.nn.softmax(x, axis) for x in (q, p))
    # Of two sure pixels, 1 - y is compared without rounding it.
    sure = (student > 0.5) & (teacher > 0.5)
    w = from_zero(student, sure, axis) - from_zero(teacher, sure, axis)
    return _Pixels(student, *(_centre(x, axis) for x in (student, teacher, w)))


def _centre(x: Array, axis: int) -> Array:
    """x minus its mean over the classes; exactly 0 where all are equal."""
    x = x - jax.lax.index_in_dim(x, 0, axis)
    return x - x.mean(axis, keepdims=True)


def _varies(v: Array, axis: int) -> Array:
    return _dot(v, v, axis) >= MIN_VARIANCE * v.shape[axis]


def _dot(x: Array, y: Array, axis: int) -> Array:
    """The product of each pixel's two vectors; the axis stays, of size 1."""
    return jnp.sum(x * y, axis, keepdims=True)


READING = Reading(dist_correlation)
