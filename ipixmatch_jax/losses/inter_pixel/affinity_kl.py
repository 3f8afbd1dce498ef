"""KL between the rows of two N x N similarity matrices, tile by tile.

The method is that of memory-efficient attention (Rabe and Staats, 2021). Tiles
of size x size pixels are computed, summed and dropped: once for the value, and
again for the slope, which is written by hand. An online softmax tracks the
largest entry so far; here it is known, since f_i . f_j <= 1 = f_i . f_i for
unit vectors. The similarities are symmetric, so a tile serves its rows and its
columns, and half of the tiles are enough.

Near q = p nothing cancels: the difference of two similarities is computed from
the difference of the features, and exp(x) - 1 and exp(x) - 1 - x from series.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ipixmatch_jax.losses.inter_pixel.blocks import Image
from ipixmatch_jax.losses.inter_pixel.features import (
    dot,
    features,
    slope_by_logits,
)
from ipixmatch_jax.losses.inter_pixel.reading import Reading

# Below, exp(x) - 1 - x by its series: exact to float32.
_SERIES = 0.15
# Below, x - log(1 + x) by its own.
_LOGARITHM = 0.5


def affinity_kl(
    image: Image, temperature: Array, size: int | None
) -> tuple[Array, Array]:
    """T^2 mean over i of KL(softmax_j(A^p_ij / T) || softmax_j(A^q_ij / T)).

    Ours. O(N^2 C) time, O(N C + size^2) memory.

    Args:
      image: of N pixels and C classes.
      temperature: float32 scalar.
      size: pixels along a tile's side.

    Returns:
      float32 scalar, and its slope by the student's logits, float32 [N, C].
    """
    n = len(image.keep)
    size = n if size is None else min(size, n)
    image = Image(*(_padded(x, size) for x in image))
    keep = image.keep
    f, g = (features(x, keep[:, None]) for x in (image.q, image.p))
    f_tiles, g_tiles, keep_tiles = (
        x.reshape(-1, size, *x.shape[1:]) for x in (f.unit, g.unit, keep)
    )
    sums = _row_sums(f_tiles, g_tiles, keep_tiles, temperature).reshape(-1, 4)
    value, *rows = divergence(sums, keep, temperature)
    shares = [x.reshape(-1, size) for x in rows]
    slope = _feature_slope(
        f_tiles, g_tiles, keep_tiles, temperature, *shares
    ).reshape(f.unit.shape)
    return value, slope_by_logits(f, slope)[:n]


def divergence(
    sums: Array, keep: Array, temperature: Array
) -> tuple[Array, Array, Array]:
    """The loss from sums over its rows, and the factors of its slope.

    With P~ = exp((A^p - 1) / T), Q~ of A^q and delta = (A^q - A^p) / T, the KL
    of a row is log(sum Q~ / sum P~) - mean_P(delta). With x the mean under P of
    exp(delta) - 1 it is also log(1 + x) - x + mean_P(exp(delta) - 1 - delta),
    small numbers near q = p.

    The slope by f is T / n (Q - P + Q' - P') F, where
    Q_ij - P_ij = (Q~_ij - P~_ij - P~_ij x_i) / sum_j Q~_ij.

    Args:
      sums: float32 [N, 4], over j in Omega, of P~_ij, Q~_ij, P~_ij delta_ij and
        P~_ij (exp(delta_ij) - 1 - delta_ij).
      keep: bool [N], Omega.
      temperature: float32 scalar, T.

    Returns:
      float32 scalar, and two float32 [N], 0 outside Omega: T / n divided by
      the sum of Q~, and x times that.
    """
    # Outside Omega the sums are empty; a row of Omega sums to at least 1.
    teacher, student, delta, curved = (
        jnp.where(keep, x, empty)
        for x, empty in zip(sums.T, (1.0, 1.0, 0.0, 0.0), strict=True)
    )
    x = (delta + curved) / teacher
    kl = jnp.where(
        jnp.abs(x) < _LOGARITHM,
        curved / teacher - _minus_log1p(jnp.clip(x, -_LOGARITHM, _LOGARITHM)),
        jnp.log(student) - jnp.log(teacher) - delta / teacher,
    )
    n = jnp.maximum(keep.sum(), 1)
    share = jnp.where(keep, temperature / n / student, 0.0)
    value = temperature**2 * jnp.sum(kl) / n
    return value, share, x * share


def _row_sums(f, g, keep, temperature) -> Array:
    """The sums that `divergence` takes, [blocks, size, 4].

    f and g are [blocks, size, C].
    """
    d = f - g

    def add(sums, pair):
        i, j = pair
        p_tilde, q_tilde, delta, curved = _tile(g, d, keep, temperature, i, j)
        terms = (p_tilde, q_tilde, p_tilde * delta, curved)
        rows, columns = (
            jnp.stack([x.sum(axis) for x in terms], -1) for axis in (1, 0)
        )
        # On the diagonal, rows and columns are the same pixels.
        return sums.at[i].add(rows).at[j].add(columns * (i != j)), None

    start = jnp.zeros((*keep.shape, 4))
    return jax.lax.scan(add, start, _pairs(len(f)))[0]


def _feature_slope(f, g, keep, temperature, share, x_share) -> Array:
    """Sum over j of W_ij f_j, [blocks, size, C]; for W see `divergence`."""
    d = f - g

    def add(total, pair):
        i, j = pair
        p_tilde, _, delta, curved = _tile(g, d, keep, temperature, i, j)
        weights = (curved + p_tilde * delta) * (share[i][:, None] + share[j])
        weights -= p_tilde * (x_share[i][:, None] + x_share[j])
        total = total.at[i].add(dot(weights, f[j]))
        return total.at[j].add(dot(weights.T, f[i]) * (i != j)), None

    return jax.lax.scan(add, jnp.zeros_like(f), _pairs(len(f)))[0]


def _padded(x: Array, size: int) -> Array:
    """Pads x with zeros, or with False, to a multiple of size."""
    return jnp.pad(x, ((0, -len(x) % size), *[(0, 0)] * (x.ndim - 1)))


def _pairs(blocks: int) -> tuple[np.ndarray, np.ndarray]:
    """Block indices of the tiles on and below the diagonal, int32 [pairs]."""
    rows, columns = np.tril_indices(blocks)
    return rows.astype(np.int32), columns.astype(np.int32)


def _tile(g, d, keep, temperature, i, j) -> tuple[Array, ...]:
    """P~, Q~, delta and P~ (exp(delta) - 1 - delta) of blocks i and j."""
    m_i, m_j = g[i] + d[i] / 2, g[j] + d[j] / 2
    similarity = dot(g[i], g[j].T)
    change = dot(
        jnp.concatenate([m_i, d[i]], 1), jnp.concatenate([d[j], m_j], 1).T
    )
    delta = change / temperature
    both = keep[i][:, None] & keep[j]
    p_tilde = jnp.where(both, jnp.exp((similarity - 1) / temperature), 0.0)
    q_tilde = jnp.where(
        both, jnp.exp((similarity + change - 1) / temperature), 0.0
    )
    series = 1.0
    for k in (6, 5, 4, 3):
        series = 1 + delta * (1 / k) * series
    curved = jnp.where(
        jnp.abs(delta) < _SERIES,
        p_tilde * (delta * delta * 0.5 * series),
        q_tilde - p_tilde * (1 + delta),
    )
    return p_tilde, q_tilde, delta, curved


def _minus_log1p(x: Array) -> Array:
    """x - log(1 + x) for |x| <= 1 / 2, to float32's relative precision.

    By y = x / (2 + x), since log(1 + x) = 2 atanh(y).
    """
    y = x / (2 + x)
    series = 1 / 13 + y * y / 15
    for k in range(11, 1, -2):
        series = 1 / k + y * y * series
    return 2 * y * y * (1 / (1 - y) - y * series)


READING = Reading(affinity_kl, tiled=True)
