"""Distances over class maps, and the control with no relation of pixels.

Every function here takes one image: student logits q and teacher logits p,
float32 [N, C], and keep, bool [N], the pixels of Omega; it returns a float32
scalar in O(N C) time and memory.
"""

import jax
import jax.numpy as jnp
from jax import Array

# Added to the product of two norms in a Pearson coefficient.
EPS = 1e-12
# Where the teacher varies less than this there is no relation to keep.
MIN_VARIANCE = 1e-8
_NEVER = -1e30
# exp of more than this is left to the form with logarithms.
_LARGEST = 60.0


def channel_kl(q: Array, p: Array, keep: Array, temperature: Array) -> Array:
    """T^2 mean over classes of KL over the pixels (Shu et al., 2021)."""
    # Sums run along the last axis: down a column they miss a CPU's caches.
    kl = _kl(q.T, p.T, keep, temperature)
    return temperature**2 * kl.mean()


def pixel_kl(q: Array, p: Array, keep: Array, temperature: Array) -> Array:
    """T^2 mean over pixels of KL over the classes (ours, the control)."""
    kl = _kl(q, p, jnp.ones(1, bool), temperature)
    total = jnp.sum(jnp.where(keep, kl, 0.0))
    return temperature**2 * total / jnp.maximum(keep.sum(), 1)


def channel_correlation(q: Array, p: Array, keep: Array) -> Array:
    """Mean over classes of 1 - Pearson's r over the pixels (DIST, 2022).

    1 - r is half the squared distance of the two unit vectors: for equal maps
    nothing is subtracted from one. A class that the student holds exactly
    constant has r = 0 and no gradient.
    """
    n = jnp.maximum(keep.sum(), 1)
    keep = keep[:, None]
    u, v = _centred(q, keep, n), _centred(p, keep, n)
    u_norm, v_norm = root(jnp.sum(u * u, 0)), root(jnp.sum(v * v, 0))
    apart = u * inverse(u_norm) - v * inverse(v_norm)
    distance = one_minus_pearson(jnp.sum(apart * apart, 0), u_norm, v_norm)
    varies = v_norm**2 / n >= MIN_VARIANCE
    total = jnp.sum(jnp.where(varies, distance, 0.0))
    return total / jnp.maximum(varies.sum(), 1)


def one_minus_pearson(apart: Array, u_norm: Array, v_norm: Array) -> Array:
    """1 - u.v / (|u||v| + EPS), of |u/|u| - v/|v||^2 and the norms."""
    norms = u_norm * v_norm
    return (EPS + norms * apart / 2) / (norms + EPS)


def root(x: Array) -> Array:
    """sqrt where x is positive; elsewhere 0, with gradient 0."""
    positive = x > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, x, 1.0)), 0.0)


def inverse(x: Array) -> Array:
    """1 / x where x is positive; elsewhere 0, with gradient 0."""
    positive = x > 0
    return jnp.where(positive, 1 / jnp.where(positive, x, 1.0), 0.0)


def _centred(logits: Array, keep: Array, n: Array) -> Array:
    """Class probabilities minus their mean over keep; 0 outside."""
    y = jax.nn.softmax(logits)
    top = logits == logits.max(-1, keepdims=True)
    others = jnp.sum(jnp.where(top, 0.0, y), -1, keepdims=True)
    # A class that is sure everywhere: its distance from 1 is what varies.
    sure = jnp.all(~keep | (top & (y > 0.5)), 0)
    # From the least value on, a constant map is 0 without any rounding.
    least = jnp.min(jnp.where(keep, y, 1.0), 0)
    y = jnp.where(sure, -others, y - jax.lax.stop_gradient(least))
    y = jnp.where(keep, y, 0.0)
    return jnp.where(keep, y - jnp.sum(y, 0) / n, 0.0)


def _kl(q: Array, p: Array, keep: Array, temperature: Array) -> Array:
    """KL(softmax(p / T) || softmax(q / T)) of each row, over keep.

    With t the difference of the logits minus its mean under P, the divergence
    is log(1 + sum P (exp(t) - 1 - t)): no term is negative, so none is lost
    where q is close to p. Only where exp overflows is it the textbook's
    sum P (log P - log Q).
    """
    # Shifted before anything is divided: what is near the largest is exact.
    q, p = (_from_largest(x, keep) / temperature for x in (q, p))
    log_p = jax.nn.log_softmax(jnp.where(keep, p, _NEVER))
    probability = jnp.where(keep, jnp.exp(log_p), 0.0)
    t = jnp.where(keep, q - p, 0.0)
    t = jnp.where(keep, t - jnp.sum(probability * t, -1, keepdims=True), 0.0)
    log_q = log_p + t  # not normalised
    near = jnp.max(log_q, -1) < _LARGEST
    gap = jnp.where(
        jnp.abs(t) < 1,
        probability * _exp_remainder(jnp.clip(t, -1, 1)),
        jnp.exp(jnp.minimum(log_q, _LARGEST)) - probability * (1 + t),
    )
    # jnp.minimum keeps the branch that is not taken finite in its gradient.
    close = jnp.log1p(jnp.sum(jnp.where(keep, gap, 0.0), -1))
    log_q = jax.nn.log_softmax(jnp.where(keep, q, _NEVER))
    # The inner where keeps the gradient finite outside: 0 * inf is NaN.
    far = jnp.where(keep, log_p - jnp.where(keep, log_q, 0.0), 0.0)
    return jnp.where(near, close, jnp.sum(probability * far, -1))


def _from_largest(x: Array, keep: Array) -> Array:
    largest = jnp.max(jnp.where(keep, x, -jnp.inf), -1, keepdims=True)
    # Nothing kept: any number does.
    largest = jnp.where(jnp.isfinite(largest), largest, 0.0)
    return jnp.where(keep, x - jax.lax.stop_gradient(largest), 0.0)


@jax.custom_jvp
def _exp_remainder(t: Array) -> Array:
    """exp(t) - 1 - t for |t| <= 1, to float32's relative precision."""
    series = jnp.ones_like(t)
    for k in range(11, 2, -1):
        series = 1 + t / k * series
    return t * t / 2 * series


# By hand: the series would leave every one of its steps in memory.
_exp_remainder.defjvps(lambda t_dot, value, t: (value + t) * t_dot)
