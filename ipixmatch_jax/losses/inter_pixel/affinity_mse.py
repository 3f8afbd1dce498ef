"""Unit features, and the squared distance of their N x N similarities.

A pixel's feature is its class distribution at unit length, f for the student
and g for the teacher; A_ij = f_i . f_j over the confident pixels. No N x N
matrix is built: the distance is a sum over the C x C moments of d = f - g and
of the mean of f and g. The difference is taken pixel by pixel, before any sum
over the image, so where the student is close to the teacher each term is as
small as the result, and none is a difference of large ones.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from ipixmatch_jax.losses.inter_pixel.blocks import Image, fold, write


class Feature(NamedTuple):
    """Of some pixels; 0 outside Omega.

    Attributes:
      unit: float32 [..., C], of length 1.
      raw: float32 [..., C], the same with 1 as the largest entry.
    """

    unit: Array
    raw: Array


def features(logits: Array, keep: Array) -> Feature:
    """softmax(logits) at unit length, row by row.

    Args:
      logits: float32 [..., C].
      keep: bool [..., 1], Omega.
    """
    raw = jnp.exp(logits - logits.max(-1, keepdims=True))
    length = jnp.sqrt(jnp.sum(raw * raw, -1, keepdims=True))
    return Feature(*(jnp.where(keep, x, 0.0) for x in (raw / length, raw)))


def through_features(f: Feature, slope: Array) -> Array:
    """Slope by the logits, of the slope by the unit features, [..., C].

    A change along the feature is lost where its length is made 1, so any
    multiple of the feature may be taken off the slope first. The one that
    leaves 0 at the largest class keeps what is left of a sure pixel from being
    a difference of two large numbers.
    """
    top = jnp.sum(jnp.where(f.raw == 1, slope, 0.0), -1, keepdims=True)
    slope = slope - top * f.raw
    along = jnp.sum(slope * f.unit, -1, keepdims=True)
    return f.unit * (slope - f.unit * along)


def affinity_mse(image: Image, size: int | None) -> tuple[Array, Array]:
    """Mean over i, j of (A^q_ij - A^p_ij)^2 (ours), in O(N C^2) time.

    With m = (f + g) / 2 the matrix A^q - A^p is MD' + DM', whose squared norm
    is 2 sum(M'M * D'D) + 2 sum(D'M * M'D).

    Args:
      image: of N pixels and C classes.
      size: see pixels.py.

    Returns:
      float32 scalar, and its slope by the student's logits, float32 [..., C].
    """
    n = image.count()
    classes = image.q.shape[-1]

    def parts(q, p, keep):
        f, g = features(q, keep), features(p, keep)
        d = f.unit - g.unit
        return f, jnp.concatenate([g.unit + d / 2, d], -1)

    def add(moments, q, p, keep):
        _, both = parts(q, p, keep)
        return moments + products(both, both)

    zero = jnp.zeros((2 * classes, 2 * classes))
    moments = fold(add, zero, image, size) / n
    mm, dm = moments[:classes, :classes], moments[classes:, :classes]
    dd = moments[classes:, classes:]
    # D'F and M'F, since f = m + d / 2.
    by_f = jnp.concatenate([dm + dd / 2, mm + dm.T / 2])

    def make(nothing, q, p, keep, fresh):
        f, both = parts(q, p, keep)
        return nothing, through_features(f, dot(both, by_f) * (4 / n))

    _, slope = write(make, None, image, size)
    return 2 * jnp.sum(mm * dd) + 2 * jnp.sum(dm * dm.T), slope


def products(x: Array, y: Array) -> Array:
    """Of [..., K] and [..., L], summed over the pixels: [K, L]."""
    # Line by line, or a GPU would copy both to cut the long sum.
    by_line = dot(x.mT, y)
    return by_line.sum(tuple(range(by_line.ndim - 2)))


def dot(x: Array, y: Array) -> Array:
    """A matrix product in float32 on every device."""
    return jnp.matmul(x, y, precision=jax.lax.Precision.HIGHEST)
