"""KL between the rows of two N x N similarity matrices, block by block.

As memory-efficient attention does it (Rabe and Staats, 2021): tiles of
block x block pixels are made, summed and forgotten, in the forward pass and
again in the gradient, which is written by hand. An online softmax carries the
largest entry so far; here it is known before, since f_i . f_j <= 1 = f_i . f_i
for unit vectors. The similarities are symmetric, so a tile serves its rows and
its columns, and half of the tiles are enough.

Near q = p nothing cancels: the difference of two similarities is made of the
difference of the features, and exp(x) - 1 by its series.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ipixmatch_jax.losses.affinity import unit_rows

_SMALL = 0.15  # below, exp(x) - 1 by five terms, exact to float32


def affinity_kl(
    q: Array, p: Array, keep: Array, temperature: Array, block: int
) -> Array:
    """T^2 mean over i of KL(softmax_j(A^p_ij / T) || softmax_j(A^q_ij / T)).

    Ours. O(N^2 C) time, O(N C + block^2) memory.

    Args:
      q: float32 [N, C], student logits.
      p: float32 [N, C], teacher logits.
      keep: bool [N], the pixels of Omega.
      temperature: float32 scalar.
      block: pixels along a tile's side.

    Returns:
      float32 scalar.
    """
    size = min(block, len(q))
    padding = -len(q) % size
    q, p = (jnp.pad(x, ((0, padding), (0, 0))) for x in (q, p))
    keep = jnp.pad(keep, (0, padding))
    f, g = unit_rows(q, keep), unit_rows(p, keep)
    parts = (x.reshape(-1, size, *x.shape[1:]) for x in (f, g, keep))
    return _streamed(*parts, temperature)


@jax.custom_vjp
def _streamed(f: Array, g: Array, keep: Array, temperature: Array) -> Array:
    """The loss of unit features [blocks, size, C] and keep [blocks, size]."""
    return _forward(f, g, keep, temperature)[0]


def _forward(f, g, keep, temperature):
    """Sums over every row, then its divergence.

    With P~ = exp((A^p - 1) / T), Q~ of A^q, delta = (A^q - A^p) / T and
    x = sum(Q~ - P~) / sum(P~), row i has KL = log(1 + x) - mean_P(delta).
    """
    d = f - g

    def add(sums, pair):
        i, j = pair
        tile = _tile(g, d, keep, temperature, i, j)
        sums = sums.at[i].add(_sums(*tile, 1))
        # A tile on the diagonal has done its work already.
        return sums.at[j].add(_sums(*tile, 0) * (i != j)), None

    sums, _ = jax.lax.scan(add, jnp.zeros((*keep.shape, 4)), _pairs(len(f)))
    teacher, student, change, delta = jnp.moveaxis(sums, -1, 0)
    # A pixel outside Omega has empty sums; a row of Omega sums to 1 at least.
    teacher = jnp.where(keep, teacher, 1.0)
    student = jnp.where(keep, student, 1.0)
    x = change / teacher
    log_ratio = jnp.where(
        jnp.abs(x) < 0.5,
        jnp.log1p(jnp.clip(x, -0.5, 0.5)),
        jnp.log(student) - jnp.log(teacher),
    )
    n = jnp.maximum(keep.sum(), 1)
    value = temperature**2 * jnp.sum(log_ratio - delta / teacher) / n
    share = jnp.where(keep, temperature / n / student, 0.0)
    return value, (f, g, keep, temperature, share, x * share)


def _backward(residuals, cotangent):
    """T / n (Q - P + Q' - P') F, tile by tile.

    Q_ij - P_ij = (Q~_ij - P~_ij - P~_ij x_i) / sum_j Q~_ij.
    """
    f, g, keep, temperature, share, x_share = residuals
    d = f - g

    def add(total, pair):
        i, j = pair
        p_tilde, _, change, _ = _tile(g, d, keep, temperature, i, j)
        weights = change * (share[i][:, None] + share[j])
        weights -= p_tilde * (x_share[i][:, None] + x_share[j])
        total = total.at[i].add(_dot(weights, f[j]))
        return total.at[j].add(_dot(weights.T, f[i]) * (i != j)), None

    total, _ = jax.lax.scan(add, jnp.zeros_like(f), _pairs(len(f)))
    # The teacher gets no gradient; a mask and a setting have none.
    return cotangent * total, jnp.zeros_like(g), None, None


_streamed.defvjp(_forward, _backward)


def _pairs(blocks: int) -> tuple[np.ndarray, np.ndarray]:
    """Block indices of the tiles on and below the diagonal, int32 [pairs]."""
    return tuple(x.astype(np.int32) for x in np.tril_indices(blocks))


def _tile(g, d, keep, temperature, i, j):
    """P~, Q~, Q~ - P~ and delta of blocks i, j, each float32 [size, size]."""
    m_i, m_j = g[i] + d[i] / 2, g[j] + d[j] / 2
    similarity = _dot(g[i], g[j].T)
    change = _dot(
        jnp.concatenate([m_i, d[i]], 1), jnp.concatenate([d[j], m_j], 1).T
    )
    both = keep[i][:, None] & keep[j]
    delta = change / temperature
    p_tilde = jnp.where(both, jnp.exp((similarity - 1) / temperature), 0.0)
    q_tilde = jnp.where(
        both, jnp.exp((similarity + change - 1) / temperature), 0.0
    )
    series = 1 + delta / 2 * (1 + delta / 3 * (1 + delta / 4 * (1 + delta / 5)))
    gained = jnp.where(
        jnp.abs(delta) < _SMALL, p_tilde * delta * series, q_tilde - p_tilde
    )
    return p_tilde, q_tilde, gained, delta


def _sums(p_tilde, q_tilde, change, delta, axis: int) -> Array:
    """The four sums that a row's divergence needs, [size, 4]."""
    terms = (p_tilde, q_tilde, change, p_tilde * delta)
    return jnp.stack([x.sum(axis) for x in terms], -1)


_dot = functools.partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)
