"""KL divergences of class maps and, the control, of single pixels.

Both readings take one image and return their value, a float32 scalar, and its
slope by the student's logits, float32 [..., C], in O(N C) time.

With t the difference of the logits over T less its mean under P, the
divergence is log(1 + sum P (exp(t) - 1 - t)): no term is negative, so none is
lost where q is close to p. Above 1 it is the textbook's
sum P (log P - log Q), which cannot overflow.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from ipixmatch_jax.losses.inter_pixel.blocks import (
    Image,
    fold,
    pixel_axes,
    write,
)

# Below, exp(t) - 1 - t by its series: 1e-7 of it; above, by the difference.
_SERIES = 0.25
_NEVER = -1e30


class _Sums(NamedTuple):
    """Of both distributions; largest logits and sums of exponentials."""

    p_top: Array
    p_sum: Array
    q_top: Array
    q_sum: Array
    pull: Array  # sum of exp((p - p_top) / T) (q - p) / T


class _Fit(NamedTuple):
    """What the divergence and its slope are made of, from `_Sums`."""

    p_top: Array
    p_log: Array
    q_top: Array
    q_log: Array
    mean: Array  # of (q - p) / T under P
    textbook: Array  # sum P (log P - log Q)
    drift: Array | float = 0.0  # what the mean's rounding leaves of t under P
    gaps: Array | float = 0.0  # sum P (exp(t) - 1 - t)


def channel_kl(
    image: Image, temperature: Array, size: int | None
) -> tuple[Array, Array]:
    """T^2 mean over classes of KL over the pixels (Shu et al., 2021)."""
    classes = image.q.shape[-1]
    axes = pixel_axes(image.q)
    zero = jnp.zeros((1, classes))
    start = _Sums(zero + _NEVER, zero, zero + _NEVER, zero, zero)
    rate = 1 / temperature

    def add(sums, q, p, keep):
        return _join(sums, _sums(*_kept(q, p, keep), rate, axes), rate)

    rough = _fit(fold(add, start, image, size), rate)

    def add_gaps(gaps, q, p, keep):
        more = _gaps(rough, *_kept(q, p, keep), rate, axes)
        return tuple(x + y for x, y in zip(gaps, more, strict=True))

    fit = _settled(rough, *fold(add_gaps, (zero, zero), image, size))

    def make(nothing, q, p, keep, fresh):
        slope = _slope(fit, *_kept(q, p, keep), rate)
        return nothing, slope * (temperature / classes)

    _, slope = write(make, None, image, size)
    return temperature**2 * _divergence(fit).mean(), slope


def pixel_kl(
    image: Image, temperature: Array, size: int | None
) -> tuple[Array, Array]:
    """T^2 mean over pixels of KL over the classes (ours, the control)."""
    n = image.count()
    rate = 1 / temperature

    def make(total, q, p, keep, fresh):
        fit = _fit(_sums(q, p, rate, -1), rate)
        fit = _settled(fit, *_gaps(fit, q, p, rate, -1))
        total += jnp.sum(jnp.where(keep & fresh, _divergence(fit), 0.0))
        slope = jnp.where(keep, _slope(fit, q, p, rate), 0.0)
        return total, slope * (temperature / n)

    total, slope = write(make, jnp.zeros(()), image, size)
    return temperature**2 * total / n, slope


def _kept(q: Array, p: Array, keep: Array) -> tuple[Array, Array]:
    """Logits with which all the others have probability 0.

    Where there are no others, the sums are finite, and 0 once they are joined
    to those of a pixel that is kept.
    """
    return tuple(jnp.where(keep, x, _NEVER) for x in (q, p))


def _sums(q: Array, p: Array, rate: Array, axes: int | tuple) -> _Sums:
    """Of one block, along axes."""

    def add(x):
        return jnp.sum(x, axes, keepdims=True)

    p_top, q_top = (jnp.max(x, axes, keepdims=True) for x in (p, q))
    teacher, student = (
        jnp.exp((x - top) * rate) for x, top in ((p, p_top), (q, q_top))
    )
    pull = teacher * ((q - p) * rate)
    return _Sums(p_top, add(teacher), q_top, add(student), add(pull))


def _join(a: _Sums, b: _Sums, rate: Array) -> _Sums:
    """Of two blocks, from the larger of the two largest logits on."""
    p_top = jnp.maximum(a.p_top, b.p_top)
    q_top = jnp.maximum(a.q_top, b.q_top)
    p_a, p_b = (jnp.exp((x.p_top - p_top) * rate) for x in (a, b))
    q_a, q_b = (jnp.exp((x.q_top - q_top) * rate) for x in (a, b))
    return _Sums(
        p_top,
        a.p_sum * p_a + b.p_sum * p_b,
        q_top,
        a.q_sum * q_a + b.q_sum * q_b,
        a.pull * p_a + b.pull * p_b,
    )


def _fit(sums: _Sums, rate: Array) -> _Fit:
    p_log, q_log = jnp.log(sums.p_sum), jnp.log(sums.q_sum)
    mean = sums.pull / sums.p_sum
    textbook = q_log - p_log + (sums.q_top - sums.p_top) * rate - mean
    return _Fit(sums.p_top, p_log, sums.q_top, q_log, mean, textbook)


def _parts(fit: _Fit, q: Array, p: Array, rate: Array) -> tuple:
    """P, t and log P + t."""
    log_p = (p - fit.p_top) * rate - fit.p_log
    t = (q - p) * rate - fit.mean - fit.drift
    return jnp.exp(log_p), t, log_p + t


def _gaps(
    fit: _Fit, q: Array, p: Array, rate: Array, axes: int | tuple
) -> tuple[Array, Array]:
    """Sums of P (exp(t) - 1 - t) and of P t.

    Of use where the divergence is below 1.
    """
    teacher, t, log_q = _parts(fit, q, p, rate)
    # exp(t) P is at most exp of the divergence.
    apart = jnp.exp(jnp.minimum(log_q, 1.0)) - teacher * (1 + t)
    gap = jnp.where(jnp.abs(t) < _SERIES, teacher * _remainder(t), apart)
    return tuple(jnp.sum(x, axes, keepdims=True) for x in (gap, teacher * t))


def _settled(fit: _Fit, gaps: Array, drift: Array) -> _Fit:
    """With t less its mean, in which large logits leave their own rounding."""
    gaps = gaps + drift + jnp.expm1(-drift) * (1 + drift + gaps)
    return fit._replace(drift=drift, gaps=jnp.maximum(gaps, 0.0))


def _divergence(fit: _Fit) -> Array:
    return jnp.where(fit.textbook < 1, jnp.log1p(fit.gaps), fit.textbook)


def _slope(fit: _Fit, q: Array, p: Array, rate: Array) -> Array:
    """Q - P, the slope but for a factor."""
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
