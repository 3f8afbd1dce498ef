"""A KL divergence and its slope from sums over pixels or over classes.

With t the difference of the logits over T less its mean under P, the
divergence is log(1 + sum P (exp(t) - 1 - t)). No term is negative, so nothing
cancels where q is close to p. Where an exp(t) P is above e the divergence is
the logarithm of their sum instead, with the largest one taken out of it, which
cannot overflow.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

# Below, exp(t) - 1 - t by its series: 1e-7 of it; above, by the difference.
_SERIES = 0.25
# A logit whose probability is 0.
NEVER = -1e30


class Along(NamedTuple):
    """How the entries of a distribution lie in an array.

    Attributes:
      sum: sums the entries of every distribution, to an array that
        broadcasts with them.
      max: the same for the maximum.
    """

    sum: Callable[[Array], Array]
    max: Callable[[Array], Array]


class Fit(NamedTuple):
    """What the divergence of two distributions and its slope are made from.

    They are near where no exp(t) P is above e.
    """

    p_top: Array  # the largest logit of the teacher
    p_log: Array  # log sum exp((p - p_top) / T)
    p_share: Array  # 1 / sum exp((p - p_top) / T)
    q_top: Array  # the largest logit of the student
    mean: Array  # of `_excess` under P
    gaps: Array | float = 0.0  # sum P (exp(t) - 1 - t), where near
    # 1 / the sum of exp(t) P, or where not near of exp((q - q_top) / T).
    share: Array | float = 1.0

    @property
    def high(self) -> Array:
        """The largest log P + t."""
        return -self.p_log - self.mean

    @property
    def near(self) -> Array:
        """Whether no exp(t) P is above e."""
        return self.high < 1


def along_axis(axis: int) -> Along:
    """Distributions along one axis, which stays as an axis of size 1."""
    return Along(
        lambda x: jnp.sum(x, axis, keepdims=True),
        lambda x: jnp.max(x, axis, keepdims=True),
    )


def fit_block(q: Array, p: Array, rate: Array, along: Along) -> Fit:
    """The fit of the distributions in one block.

    Args:
      q: float32, the student's logits.
      p: float32 of the same shape, the teacher's.
      rate: float32 scalar, 1 / T.
      along: how the distributions lie in them.
    """
    p_top, q_top = along.max(p), along.max(q)
    # Times their sum, by which the sums are divided in place of every entry.
    teacher = jnp.exp((p - p_top) * rate)
    p_sum = along.sum(teacher)
    excess = _excess(q, p, q_top, p_top, rate)
    mean = along.sum(teacher * excess) / p_sum
    fit = Fit(p_top, jnp.log(p_sum), 1 / p_sum, q_top, mean)

    t = excess - mean
    lift = jnp.where(fit.near, fit.high + fit.p_log, 0.0)
    student = jnp.exp((q - q_top) * rate + lift)
    gaps = jnp.where(
        jnp.abs(t) < _SERIES,
        teacher * _remainder(t),
        student - teacher * (1 + t),
    )
    total = along.sum(jnp.where(fit.near, gaps, student))
    gaps = jnp.maximum(total * fit.p_share, 0.0)
    return _with_gaps(fit, gaps, total)


def join_fits(fits: Fit, rate: Array) -> Fit:
    """The fit of distributions that are parts of one, along the first axis.

    A part is like one entry of a distribution, to which what is inside the
    part is added. As in `fit_block`, no term is negative.
    """
    p_top, q_top = fits.p_top.max(0), fits.q_top.max(0)
    log_part = (fits.p_top - p_top) * rate + fits.p_log
    part = jnp.exp(log_part)
    p_sum = part.sum(0)
    part, log_part = part / p_sum, log_part - jnp.log(p_sum)
    excess = fits.mean + _excess(fits.q_top, fits.p_top, q_top, p_top, rate)
    mean = jnp.sum(part * excess, 0)
    fit = Fit(p_top, jnp.log(p_sum), 1 / p_sum, q_top, mean)

    t = excess - mean
    high = jnp.where(fits.near, 0.0, fits.high)
    # The limit is reached only where the parts together are not near.
    student = jnp.exp(jnp.minimum(log_part + t + high, 20.0))
    apart = part * (1 + t)
    outside = jnp.where(
        jnp.abs(t) < _SERIES, part * _remainder(t), student - apart
    )
    gaps = jnp.where(
        fits.near,
        student * fits.gaps + outside,
        student / fits.share - apart,
    )
    total = jnp.exp((fits.q_top - q_top) * rate - _lift(fits)) / fits.share
    return _with_gaps(fit, gaps.sum(0), total.sum(0))


def divergence(fit: Fit) -> Array:
    """KL(P || Q) of each of the distributions."""
    far = fit.high - jnp.log(fit.share)
    return jnp.where(fit.near, jnp.log1p(fit.gaps), far)


def slope_by_logits(fit: Fit, q: Array, p: Array, rate: Array) -> Array:
    """Q - P, the slope up to a factor."""
    teacher = jnp.exp((p - fit.p_top) * rate) * fit.p_share
    student = jnp.exp((q - fit.q_top) * rate + _lift(fit))
    t = _excess(q, p, fit.q_top, fit.p_top, rate) - fit.mean
    close = teacher * (t + _remainder(t) - fit.gaps) * fit.share
    apart = student * fit.share - teacher
    limit = jnp.where(fit.near, _SERIES, 0.0)
    return jnp.where(jnp.abs(t) < limit, close, apart)


def _with_gaps(fit: Fit, gaps: Array, total: Array) -> Fit:
    share = 1 / jnp.where(fit.near, 1 + gaps, total)
    return fit._replace(gaps=gaps, share=share)


def _excess(
    q: Array, p: Array, q_top: Array, p_top: Array, rate: Array
) -> Array:
    """(q - p) / T less the difference of the largest logits.

    That difference lies between the least and the largest q - p, so rounding
    the excess or its mean costs no more than rounding a t.
    """
    return ((q - p) - (q_top - p_top)) * rate


def _lift(fit: Fit) -> Array:
    """Logarithm of what exp((q - q_top) / T) is a multiple of."""
    return jnp.where(fit.near, fit.high, 0.0)


def _remainder(t: Array) -> Array:
    """exp(t) - 1 - t for |t| <= _SERIES, to float32's relative precision."""
    series = t * (1 / 5040)
    for k in (720, 120, 24, 6):
        series = t * (1 / k + series)
    return t * t * (0.5 + series)
