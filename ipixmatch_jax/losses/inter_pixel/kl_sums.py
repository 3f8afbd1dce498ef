"""A KL divergence and its slope from sums over pixels or over classes.

With t the difference of the logits over T less its mean under P, the
divergence is log(1 + sum P (exp(t) - 1 - t)). No term is negative, so nothing
cancels where q is close to p. Above 1 the textbook's sum P (log P - log Q) is
taken instead, which cannot overflow.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

# Below, exp(t) - 1 - t by its series: 1e-7 of it; above, by the difference.
_SERIES = 0.25
# A logit whose probability is 0.
NEVER = -1e30


class Sums(NamedTuple):
    """Largest logits and sums of exponentials, of both distributions."""

    p_top: Array
    p_sum: Array
    q_top: Array
    q_sum: Array
    change: Array  # sum of exp((p - p_top) / T) (q - p) / T


class Fit(NamedTuple):
    """What the divergence and its slope are computed from, made of `Sums`."""

    p_top: Array
    p_log: Array
    q_top: Array
    q_log: Array
    mean: Array  # of (q - p) / T under P
    textbook: Array  # sum P (log P - log Q)
    drift: Array | float = 0.0  # mean of t under P, which rounding leaves
    gaps: Array | float = 0.0  # sum P (exp(t) - 1 - t)


def sum_exponentials(
    q: Array, p: Array, rate: Array, axes: int | tuple
) -> Sums:
    """The sums of one block along some axes."""

    def add(x):
        return jnp.sum(x, axes, keepdims=True)

    p_top, q_top = (jnp.max(x, axes, keepdims=True) for x in (p, q))
    teacher, student = (
        jnp.exp((x - top) * rate) for x, top in ((p, p_top), (q, q_top))
    )
    change = teacher * ((q - p) * rate)
    return Sums(p_top, add(teacher), q_top, add(student), add(change))


def join_sums(a: Sums, b: Sums, rate: Array) -> Sums:
    """The sums of two blocks together, about the larger top logits."""
    p_top = jnp.maximum(a.p_top, b.p_top)
    q_top = jnp.maximum(a.q_top, b.q_top)
    p_a, p_b = (jnp.exp((x.p_top - p_top) * rate) for x in (a, b))
    q_a, q_b = (jnp.exp((x.q_top - q_top) * rate) for x in (a, b))
    return Sums(
        p_top,
        a.p_sum * p_a + b.p_sum * p_b,
        q_top,
        a.q_sum * q_a + b.q_sum * q_b,
        a.change * p_a + b.change * p_b,
    )


def fit_sums(sums: Sums, rate: Array) -> Fit:
    """What the divergence is computed from, but for the sums of gaps."""
    p_log, q_log = jnp.log(sums.p_sum), jnp.log(sums.q_sum)
    mean = sums.change / sums.p_sum
    textbook = q_log - p_log + (sums.q_top - sums.p_top) * rate - mean
    return Fit(sums.p_top, p_log, sums.q_top, q_log, mean, textbook)


def _parts(fit: Fit, q: Array, p: Array, rate: Array) -> tuple:
    """P, t and log P + t."""
    log_p = (p - fit.p_top) * rate - fit.p_log
    t = (q - p) * rate - fit.mean - fit.drift
    return jnp.exp(log_p), t, log_p + t


def sum_gaps(
    fit: Fit, q: Array, p: Array, rate: Array, axes: int | tuple
) -> tuple[Array, Array]:
    """Sums of P (exp(t) - 1 - t) and of P t.

    Used where the divergence is below 1.
    """
    teacher, t, log_q = _parts(fit, q, p, rate)
    # exp(t) P is at most exp of the divergence.
    apart = jnp.exp(jnp.minimum(log_q, 1.0)) - teacher * (1 + t)
    gap = jnp.where(jnp.abs(t) < _SERIES, teacher * _remainder(t), apart)
    moved = teacher * t
    return (
        jnp.sum(gap, axes, keepdims=True),
        jnp.sum(moved, axes, keepdims=True),
    )


def with_gaps(fit: Fit, gaps: Array, drift: Array) -> Fit:
    """Adds the sums of gaps, corrected for what rounding left of t's mean."""
    gaps = gaps + drift + jnp.expm1(-drift) * (1 + drift + gaps)
    return fit._replace(drift=drift, gaps=jnp.maximum(gaps, 0.0))


def divergence(fit: Fit) -> Array:
    """KL(P || Q) of each of the distributions that were summed."""
    return jnp.where(fit.textbook < 1, jnp.log1p(fit.gaps), fit.textbook)


def slope_by_logits(fit: Fit, q: Array, p: Array, rate: Array) -> Array:
    """Q - P, the slope up to a factor."""
    near = fit.textbook < 1
    teacher, t, log_q = _parts(fit, q, p, rate)
    log_q = jnp.where(near, log_q, (q - fit.q_top) * rate - fit.q_log)
    total = jnp.where(near, 1 + fit.gaps, 1.0)  # of exp(log_q)
    apart = jnp.exp(jnp.minimum(log_q, 1.0)) - teacher * total
    close = teacher * (t + _remainder(t) - fit.gaps)
    return jnp.where(near & (jnp.abs(t) < _SERIES), close, apart) / total


def _remainder(t: Array) -> Array:
    """exp(t) - 1 - t for |t| <= _SERIES, to float32's relative precision."""
    series = 1 + t * (1 / 8)
    for k in range(7, 2, -1):
        series = 1 + t * (1 / k) * series
    return t * t * 0.5 * series
