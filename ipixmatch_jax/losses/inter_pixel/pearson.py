"""One minus Pearson's r of two centred vectors u and v, and its slope."""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

# Added to the product of two norms in a Pearson coefficient.
EPS = 1e-12
# Where the teacher varies less than this there is no relation to keep.
MIN_VARIANCE = 1e-8


def one_minus_pearson(apart: Array, u_norm: Array, v_norm: Array) -> Array:
    """1 - u.v / (|u||v| + EPS), of |u/|u| - v/|v||^2 and the norms."""
    norms = u_norm * v_norm
    return (EPS + norms * apart / 2) / (norms + EPS)


def pearson_slopes(
    apart: Array, u_norm: Array, v_norm: Array
) -> tuple[Array, Array]:
    """a and b, where 1 - r has the slope a (u/|u| - v/|v|) - b u/|u| by u."""
    norms = u_norm * v_norm
    along = norms / (norms + EPS) * inverse(u_norm)
    less = v_norm * EPS * (1 - apart / 2) / (norms + EPS) ** 2
    return along, along * apart / 2 + less


class Compared(NamedTuple):
    """A vector u of the student beside v of the teacher, both centred.

    Attributes:
      u_norm: |u|.
      v_norm: |v|.
      near: bool, whether |u - v| is less than half of |v|.
      stretch: (|v| - |u|) / |v| where they are near, else 0.
      squared: the squared distance of the unit vectors.
    """

    u_norm: Array
    v_norm: Array
    near: Array
    stretch: Array
    squared: Array


def compare_vectors(
    uu: Array, vv: Array, uv: Array, ww: Array, wv: Array
) -> Compared:
    """Compares vectors by their products, such as wv = w.v with w = u - v.

    1 - r is half the squared distance of the unit vectors, which is
    (|w|^2 + 2 w.v (|v| - |u|) / |v| + (|v| - |u|)^2) / |u|^2. Where u is
    close to v every term is as small as the result.
    """
    u_norm, v_norm = root(uu), root(vv)
    near = ww < vv / 4
    gap = -(ww + 2 * wv) * inverse(u_norm + v_norm)
    stretch = jnp.where(near, gap * inverse(v_norm), 0.0)
    squared = jnp.where(
        near,
        (ww + 2 * wv * stretch + gap * gap) * inverse(uu),
        2 - 2 * uv * inverse(u_norm) * inverse(v_norm),
    )
    squared = jnp.maximum(squared, 0.0)
    return Compared(u_norm, v_norm, near, stretch, squared)


def distance(pair: Compared) -> Array:
    """1 - Pearson's r of the two vectors."""
    return one_minus_pearson(pair.squared, pair.u_norm, pair.v_norm)


def distance_slope(pair: Compared, u: Array, v: Array, w: Array) -> Array:
    """The slope of 1 - r by u, entry by entry; w = u - v."""
    along, back = pearson_slopes(pair.squared, pair.u_norm, pair.v_norm)
    student = u * inverse(pair.u_norm)
    apart = jnp.where(
        pair.near,
        (w + v * pair.stretch) * inverse(pair.u_norm),
        student - v * inverse(pair.v_norm),
    )
    return along * apart - back * student


def root(x: Array) -> Array:
    """sqrt where x is positive; elsewhere 0."""
    return jnp.sqrt(jnp.maximum(x, 0.0))


def inverse(x: Array) -> Array:
    """1 / x where x is positive; elsewhere 0."""
    positive = x > 0
    return jnp.where(positive, 1 / jnp.where(positive, x, 1.0), 0.0)
