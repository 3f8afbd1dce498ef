"""Correlation of the rows of two N x N similarity matrices, by moments.

Let z be the unit features minus their mean over Omega. Because features have
unit length, mean(f) . z_j equals h_j = (mean |z|^2 - |z_j|^2) / 2. So row i of
A minus its mean over j is z_i . z_j + h_j = c_i . Phi_j, with c = (z, 1) and
Phi = (z, h). No digits are lost where all the features are alike, as those of
a new network are.

Row i of the student is u = Phi^q c^q_i, that of the teacher v = Phi^p c^p_i. As
for the channels, 1 - r is half the squared distance of the unit vectors. With
e = c^q_i / |u| - c^p_i / |v| that distance is
|Phi^q e + (Phi^q - Phi^p) c^p_i / |v||^2, a sum of three small covariances.

The variance of a row is a quadratic form of a covariance. Below about 1e-7 of
the covariance's largest value it consists of rounding; that happens only to
pixels that are equally similar to all others, such as those midway between two
classes.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from ipixmatch_jax.losses.inter_pixel.blocks import (
    Image,
    pixel_axes,
    slope_over_blocks,
    sum_over_blocks,
)
from ipixmatch_jax.losses.inter_pixel.features import (
    Feature,
    dot,
    features,
    products,
    slope_by_logits,
)
from ipixmatch_jax.losses.inter_pixel.pearson import (
    MIN_VARIANCE,
    inverse,
    one_minus_pearson,
    pearson_slopes,
    root,
)
from ipixmatch_jax.losses.inter_pixel.reading import Reading


class _Spread(NamedTuple):
    """Spread of features: number of them, mean [1, C], sum of |f - mean|^2."""

    number: Array
    mean: Array
    squares: Array


class _Moments(NamedTuple):
    """Means over j, each [C + 1, C + 1], with A = Phi^q - Phi^p."""

    qq: Array
    qa: Array
    aa: Array
    pp: Array


class _Rows(NamedTuple):
    """Rows i of the matrices, for some pixels.

    Attributes:
      distance: 1 - r, [..., 1].
      varies: bool [..., 1], the rows that count.
      x: [..., C + 1]; the slope of distance i by A^q_ij is
        x_i . Phi^q_j + t_i . A_j.
      t: [..., C + 1].
    """

    distance: Array
    varies: Array
    x: Array
    t: Array


class _RowSums(NamedTuple):
    """Sums over the rows i that count.

    Attributes:
      distance: float32 scalar, of 1 - r.
      number: int32 scalar, how many they are.
      by_x: [C + 1, C], of the products x_i f_i'.
      by_t: [C + 1, C], of the products t_i f_i'.
    """

    distance: Array
    number: Array
    by_x: Array
    by_t: Array


def affinity_correlation(
    image: Image, temperature: Array, size: int | None
) -> tuple[Array, Array]:
    """Mean over i of 1 - Pearson's r over j of A^q_ij and A^p_ij (ours).

    O(N C^2) time.

    Args:
      image: of C classes.
      temperature: not used.
      size: pixels of a block, see blocks.py.

    Returns:
      float32 scalar, and its slope by the student's logits, float32 [..., C].
    """
    del temperature
    n = image.count_kept()
    factorise = functools.partial(_factorise, spreads=_spreads(image, size))
    moments = _mean_products(factorise, image, size, n)
    sums = _sum_rows(factorise, moments, image, size, n)
    count = jnp.maximum(sums.number, 1)
    # df_i = sum over j of (G_ij + G_ji) f_j, with G the slope by A^q.
    classes = image.q.shape[-1]
    f_q, f_a = n * moments.qq[:, :classes], n * moments.qa.T[:, :classes]

    def make(nothing, q, p, keep, fresh):
        f, phi_q, phi_p, cq, cp = factorise(q, p, keep)
        rows = _rows(cq, cp, keep, moments, n)
        slope = dot(rows.x, f_q) + dot(rows.t, f_a)
        slope += dot(phi_q, sums.by_x) + dot(phi_q - phi_p, sums.by_t)
        return nothing, slope_by_logits(f, slope / count)

    _, slope = slope_over_blocks(make, None, image, size)
    return sums.distance / count, slope


def _factorise(
    q: Array, p: Array, keep: Array, *, spreads: tuple[_Spread, _Spread]
) -> tuple[Feature, Array, Array, Array, Array]:
    """The student's features; Phi^q, Phi^p, c^q and c^p, all [..., C + 1]."""
    spread_q, spread_p = spreads
    f, g = features(q, keep), features(p, keep)
    phi_q, cq = _factors(f.unit, keep, spread_q)
    phi_p, cp = _factors(g.unit, keep, spread_p)
    return f, phi_q, phi_p, cq, cp


def _mean_products(
    factorise: Callable, image: Image, size: int | None, n: Array
) -> _Moments:
    """The first pass: the means over j of products of Phi^q and A."""

    def add(moments, q, p, keep):
        _, phi_q, phi_p, *_ = factorise(q, p, keep)
        a = phi_q - phi_p
        pairs = ((phi_q, phi_q), (phi_q, a), (a, a), (phi_p, phi_p))
        return _Moments(
            *(
                m + products(*pair)
                for m, pair in zip(moments, pairs, strict=True)
            )
        )

    side = image.q.shape[-1] + 1
    zero = jnp.zeros((side, side))
    moments = sum_over_blocks(add, _Moments(*[zero] * 4), image, size)
    return _Moments(*(m / n for m in moments))


def _sum_rows(
    factorise: Callable,
    moments: _Moments,
    image: Image,
    size: int | None,
    n: Array,
) -> _RowSums:
    """The second pass: sums over the rows."""

    def add(sums, q, p, keep):
        f, _, _, cq, cp = factorise(q, p, keep)
        rows = _rows(cq, cp, keep, moments, n)
        return _RowSums(
            sums.distance + jnp.sum(jnp.where(rows.varies, rows.distance, 0.0)),
            sums.number + rows.varies.sum(),
            sums.by_x + products(rows.x, f.unit),
            sums.by_t + products(rows.t, f.unit),
        )

    classes = image.q.shape[-1]
    zero = jnp.zeros((classes + 1, classes))
    start = _RowSums(jnp.zeros(()), jnp.int32(0), zero, zero)
    return sum_over_blocks(add, start, image, size)


def _rows(cq, cp, keep, moments: _Moments, n: Array) -> _Rows:
    variance = _form(cp, moments.pp, cp)
    u, v = root(_form(cq, moments.qq, cq)), root(variance)
    varies = keep & (variance >= MIN_VARIANCE)
    cp = cp * inverse(v)
    e = cq * inverse(u) - cp
    squared = (
        _form(e, moments.qq, e)
        + 2 * _form(e, moments.qa, cp)
        + _form(cp, moments.aa, cp)
    )
    squared = jnp.maximum(squared, 0.0)
    norms = jnp.sqrt(n) * u, jnp.sqrt(n) * v
    along, back = (
        jnp.where(varies, x / jnp.sqrt(n), 0.0)
        for x in pearson_slopes(squared, *norms)
    )
    x = along * e - back * (cq * inverse(u))
    return _Rows(one_minus_pearson(squared, *norms), varies, x, along * cp)


def _spreads(image: Image, size: int | None) -> tuple[_Spread, _Spread]:
    """The spreads of the student's and of the teacher's features."""

    def add(spreads, q, p, keep):
        units = (features(x, keep).unit for x in (q, p))
        return tuple(
            _join(spread, _spread(unit, keep))
            for spread, unit in zip(spreads, units, strict=True)
        )

    zero = jnp.zeros(())
    empty = _Spread(zero, jnp.zeros((1, image.q.shape[-1])), zero)
    return sum_over_blocks(add, (empty, empty), image, size)


def _spread(unit: Array, keep: Array) -> _Spread:
    count = keep.sum().astype(jnp.float32)
    mean = jnp.sum(unit, pixel_axes(unit), keepdims=True)
    mean = mean / jnp.maximum(count, 1)
    centred = jnp.where(keep, unit - mean, 0.0)
    return _Spread(count, mean, jnp.sum(centred * centred))


def _join(a: _Spread, b: _Spread) -> _Spread:
    """The spread of two sets of pixels together (Chan et al., 1979)."""
    count = a.number + b.number
    part = b.number / jnp.maximum(count, 1)
    apart = b.mean - a.mean
    squares = a.squares + b.squares + a.number * part * jnp.sum(apart * apart)
    return _Spread(count, a.mean + part * apart, squares)


def _factors(unit: Array, keep: Array, spread: _Spread) -> tuple[Array, Array]:
    """Phi and c, both [..., C + 1]; 0 outside Omega."""
    z = jnp.where(keep, unit - spread.mean, 0.0)
    mean = spread.squares / jnp.maximum(spread.number, 1)
    h = (mean - jnp.sum(z * z, -1, keepdims=True)) / 2
    h = jnp.where(keep, h, 0.0)
    one = keep.astype(z.dtype)
    return jnp.concatenate([z, h], -1), jnp.concatenate([z, one], -1)


def _form(x: Array, moment: Array, y: Array) -> Array:
    """x_i' moment y_i for every row, [..., 1]."""
    return jnp.sum(dot(x, moment) * y, -1, keepdims=True)


READING = Reading(affinity_correlation)
