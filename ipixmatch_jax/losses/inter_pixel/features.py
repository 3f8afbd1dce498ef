"""Class distributions of unit length, and products of them.

A pixel's feature is its class distribution at unit length: f of the student, g
of the teacher. A similarity is A_ij = f_i . f_j over the confident pixels.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array


class Feature(NamedTuple):
    """Features of some pixels; 0 outside Omega.

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


def slope_by_logits(f: Feature, slope: Array) -> Array:
    """Turns a slope by the unit features into one by the logits, [..., C].

    Making the length 1 removes any change along the feature, so a multiple
    of the feature may be subtracted from the slope first. The multiple that
    leaves 0 at the largest class is taken: what is left of a sure pixel is
    then not a difference of two large numbers.
    """
    top = jnp.sum(jnp.where(f.raw == 1, slope, 0.0), -1, keepdims=True)
    slope = slope - top * f.raw
    along = jnp.sum(slope * f.unit, -1, keepdims=True)
    return f.unit * (slope - f.unit * along)


def products(x: Array, y: Array) -> Array:
    """Sum over the pixels of x_i y_i', [K, L], of [..., K] and [..., L]."""
    # Line by line, or a GPU would copy both to cut the long sum.
    by_line = dot(x.mT, y)
    return by_line.sum(tuple(range(by_line.ndim - 2)))


def dot(x: Array, y: Array) -> Array:
    """A matrix product in float32 on every device."""
    return jnp.matmul(x, y, precision=jax.lax.Precision.HIGHEST)
