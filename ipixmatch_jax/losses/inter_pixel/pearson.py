"""One minus Pearson's r of two centred vectors u and v, and its slope."""

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


def root(x: Array) -> Array:
    """sqrt where x is positive; elsewhere 0."""
    return jnp.sqrt(jnp.maximum(x, 0.0))


def inverse(x: Array) -> Array:
    """1 / x where x is positive; elsewhere 0."""
    positive = x > 0
    return jnp.where(positive, 1 / jnp.where(positive, x, 1.0), 0.0)
