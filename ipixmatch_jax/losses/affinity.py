"""Distances between N x N matrices of similarities, by C x C moments.

A pixel's feature is its class distribution at unit length, f for the student
and g for the teacher; A_ij = f_i . f_j over the confident pixels. No N x N
matrix is built: both distances are sums over the moments of f, g and of their
difference d = f - g. That difference is taken row by row, before any sum over
the image, so where the student is close to the teacher each term is as small
as the result, and none is a difference of large ones.

Every function takes one image: student logits q and teacher logits p, float32
[N, C], and keep, bool [N], the pixels of Omega; it returns a float32 scalar in
O(N C^2) time and O(N C) memory.
"""

import jax
import jax.numpy as jnp
from jax import Array

from ipixmatch_jax.losses.channel import (
    MIN_VARIANCE,
    inverse,
    one_minus_pearson,
    root,
)


def unit_rows(logits: Array, keep: Array) -> Array:
    """softmax(logits) at unit length, row by row; 0 where keep is False.

    Args:
      logits: float32 [N, C].
      keep: bool [N].
    """
    largest = jax.lax.stop_gradient(logits.max(-1, keepdims=True))
    y = jnp.exp(logits - largest)
    f = y / jnp.sqrt(jnp.sum(y * y, -1, keepdims=True))
    return jnp.where(keep[:, None], f, 0.0)


def affinity_mse(q: Array, p: Array, keep: Array) -> Array:
    """Mean over i, j of (A^q_ij - A^p_ij)^2 (ours).

    With m = (f + g) / 2 the matrix A^q - A^p is MD' + DM', whose squared norm
    is 2 sum(M'M * D'D) + 2 sum(D'M * M'D).
    """
    f, g = unit_rows(q, keep), unit_rows(p, keep)
    d, m = f - g, (f + g) / 2
    n = jnp.maximum(keep.sum(), 1)
    mm, dd, dm = _moment(m, m, n), _moment(d, d, n), _moment(d, m, n)
    return 2 * jnp.sum(mm * dd) + 2 * jnp.sum(dm * dm.T)


def affinity_correlation(q: Array, p: Array, keep: Array) -> Array:
    """Mean over i of 1 - Pearson's r over j of A^q_ij and A^p_ij (ours).

    Row i of A^q about its mean is u = Phi c_i, see _row_factors, and v of A^p
    likewise. As for the channels, 1 - r is half the squared distance of the
    unit vectors, and with e = c^q_i / |u| - c^p_i / |v| that distance is
    |Phi^q e + (Phi^q - Phi^p) c^p_i / |v||^2: three small covariances.

    A row's variance is a quadratic form of a covariance: below some 1e-7 of
    the covariance's largest value it is rounding. Only pixels that are as
    similar to all others come there (midway between two classes, say).
    """
    n = jnp.maximum(keep.sum(), 1)
    phi_q, cq = _row_factors(unit_rows(q, keep), keep, n)
    phi_p, cp = _row_factors(unit_rows(p, keep), keep, n)
    apart = phi_q - phi_p
    qq, aa, qa = (
        _moment(phi_q, phi_q, n),
        _moment(apart, apart, n),
        _moment(phi_q, apart, n),
    )
    variance = _form(cp, _moment(phi_p, phi_p, n), cp)
    u, v = root(_form(cq, qq, cq))[:, None], root(variance)[:, None]
    cp = cp * inverse(v)
    e = cq * inverse(u) - cp
    squared = _form(e, qq, e) + 2 * _form(e, qa, cp) + _form(cp, aa, cp)
    distance = one_minus_pearson(
        jnp.maximum(squared, 0.0), *(jnp.sqrt(n) * x[:, 0] for x in (u, v))
    )
    varies = keep & (variance >= MIN_VARIANCE)
    total = jnp.sum(jnp.where(varies, distance, 0.0))
    return total / jnp.maximum(varies.sum(), 1)


def _row_factors(f: Array, keep: Array, n: Array) -> tuple[Array, Array]:
    """Phi and c, both [N, C + 1]: A_ij about its mean over j is Phi_j . c_i.

    With z_j = f_j - mean(f), unit length makes mean(f) . z_j equal to
    h_j = (mean |z|^2 - |z_j|^2) / 2, so f_i . z_j = z_i . z_j + h_j: nothing
    is lost where all the features are alike, as a new network's are.
    """
    z = _centred(f, keep, n)
    h = -_centred(jnp.sum(z * z, -1, keepdims=True) / 2, keep, n)
    one = keep[:, None].astype(z.dtype)
    return jnp.concatenate([z, h], -1), jnp.concatenate([z, one], -1)


def _moment(x: Array, y: Array, n: Array) -> Array:
    """x'y / n, [C, C], in float32 on every device."""
    return jnp.matmul(x.T, y, precision=jax.lax.Precision.HIGHEST) / n


def _form(x: Array, moment: Array, y: Array) -> Array:
    """x_i' moment y_i for every row, [N]."""
    rows = jnp.matmul(x, moment, precision=jax.lax.Precision.HIGHEST)
    return jnp.sum(rows * y, -1)


def _centred(x: Array, keep: Array, n: Array) -> Array:
    return jnp.where(keep[:, None], x - jnp.sum(x, 0) / n, 0.0)
