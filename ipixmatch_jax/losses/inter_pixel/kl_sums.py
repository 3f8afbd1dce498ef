"""A KL divergence and its slope from sums over pixels or over classes.

With t the difference of the logits over T less its mean under P, the
divergence is log(1 + sum P (exp(t) - 1 - t)). No term is negative, so nothing
cancels where q is close to p. Where an exp(t) P is above e the divergence is
the logarithm of their sum instead, with the largest one taken out of it, which
cannot overflow.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array

# Below, exp(t) - 1 - t by its series: 1e-7 of it; above, by the difference.
_SERIES = 0.25
# A logit whose probability is 0.
NEVER = -1e30


class Along(NamedTuple):
    """How the entries of a distribution lie in an array.

    Attributes:
      sum: sums the entries of every distribution.
      max: the same for the maximum.
      spread: turns a tree of what they return into arrays that broadcast
        with the entries.
    """

    sum: Callable[[Array], Array]
    max: Callable[[Array], Array]
    spread: Callable[[Any], Any] = lambda tree: tree


class Sums(NamedTuple):
    """Largest logits of both distributions, and sums over the teacher's."""

    p_top: Array
    p_sum: Array  # of exp((p - p_top) / T)
    q_top: Array
    change: Array  # of exp((p - p_top) / T) (q - p) / T


class Gaps(NamedTuple):
    """Sums of one block, see `sum_gaps`."""

    gaps: Array  # of P (exp(t) - 1 - t)
    drift: Array  # of P t
    student: Array  # of exp(t) P, or of exp((q - q_top) / T) where not near


class Fit(NamedTuple):
    """What the divergence and its slope are computed from, made of `Sums`.

    The two distributions are near where no exp(t) P is above e.
    """

    p_top: Array
    p_log: Array
    p_share: Array  # 1 / sum of exp((p - p_top) / T)
    q_top: Array
    mean: Array  # of (q - p) / T under P
    high: Array  # largest log P + t
    drift: Array | float = 0.0  # mean of t under P, which rounding leaves
    gaps: Array | float = 0.0  # sum P (exp(t) - 1 - t)
    share: Array | float = 1.0  # 1 / sum of the student's


def along_axis(axis: int) -> Along:
    """Distributions along one axis, which stays as an axis of size 1."""
    return Along(
        lambda x: jnp.sum(x, axis, keepdims=True),
        lambda x: jnp.max(x, axis, keepdims=True),
    )


def sum_exponentials(q: Array, p: Array, rate: Array, along: Along) -> Sums:
    """The sums of one block."""
    p_top, q_top = along.max(p), along.max(q)
    teacher = jnp.exp((p - along.spread(p_top)) * rate)
    change = teacher * ((q - p) * rate)
    return Sums(p_top, along.sum(teacher), q_top, along.sum(change))


def join_sums(a: Sums, b: Sums, rate: Array) -> Sums:
    """The sums of two blocks together, about the larger top logits."""
    p_top = jnp.maximum(a.p_top, b.p_top)
    p_a, p_b = (jnp.exp((x.p_top - p_top) * rate) for x in (a, b))
    return Sums(
        p_top,
        a.p_sum * p_a + b.p_sum * p_b,
        jnp.maximum(a.q_top, b.q_top),
        a.change * p_a + b.change * p_b,
    )


def fit_sums(sums: Sums, rate: Array) -> Fit:
    """What the divergence is computed from, but for the sums of gaps."""
    p_log, mean = jnp.log(sums.p_sum), sums.change / sums.p_sum
    high = (sums.q_top - sums.p_top) * rate - p_log - mean
    return Fit(sums.p_top, p_log, 1 / sums.p_sum, sums.q_top, mean, high)


def sum_gaps(fit: Fit, q: Array, p: Array, rate: Array, along: Along) -> Gaps:
    """The sums of one block that need the mean; fit is spread."""
    teacher, t, student = _parts(fit, q, p, rate)
    gap = jnp.where(
        jnp.abs(t) < _SERIES,
        teacher * _remainder(t),
        student - teacher * (1 + t),
    )
    return Gaps(*map(along.sum, (gap, teacher * t, student)))


def with_gaps(fit: Fit, sums: Gaps) -> Fit:
    """Adds the sums of gaps, corrected for what rounding left of t's mean."""
    gaps, drift = sums.gaps, sums.drift
    gaps = gaps + drift + jnp.expm1(-drift) * (1 + drift + gaps)
    gaps = jnp.maximum(gaps, 0.0)
    total = jnp.where(_near(fit), 1 + gaps, sums.student)
    return fit._replace(drift=drift, gaps=gaps, share=1 / total)


def divergence(fit: Fit) -> Array:
    """KL(P || Q) of each of the distributions that were summed."""
    far = fit.high - jnp.log(fit.share)
    return jnp.where(_near(fit), jnp.log1p(fit.gaps), far)


def slope_by_logits(fit: Fit, q: Array, p: Array, rate: Array) -> Array:
    """Q - P, the slope up to a factor; fit is spread."""
    teacher, t, student = _parts(fit, q, p, rate)
    close = teacher * (t + _remainder(t) - fit.gaps) * fit.share
    apart = student * fit.share - teacher
    return jnp.where(_near(fit) & (jnp.abs(t) < _SERIES), close, apart)


def _near(fit: Fit) -> Array:
    return fit.high < 1


def _parts(fit: Fit, q: Array, p: Array, rate: Array) -> tuple:
    """P, t, and exp(t) P or, where not near, exp((q - q_top) / T)."""
    log_p = (p - fit.p_top) * rate
    teacher = jnp.exp(log_p) * fit.p_share
    t = (q - p) * rate - fit.mean - fit.drift
    near = log_p - fit.p_log + t
    log_q = jnp.where(_near(fit), near, (q - fit.q_top) * rate)
    # Rounding may lift the largest log_q a little above fit.high.
    return teacher, t, jnp.exp(jnp.minimum(log_q, 2.0))


def _remainder(t: Array) -> Array:
    """exp(t) - 1 - t for |t| <= _SERIES, to float32's relative precision."""
    series = 1 + t * (1 / 8)
    for k in range(7, 2, -1):
        series = 1 + t * (1 / k) * series
    return t * t * 0.5 * series
