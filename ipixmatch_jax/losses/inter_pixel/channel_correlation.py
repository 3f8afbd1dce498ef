"""Correlation of class maps, from sums and differences of one pass.

The maps of a class, u of the student and v of the teacher, are its
probabilities minus their means over Omega. 1 - r is half the squared distance
of the unit vectors u / |u| and v / |v|, see `compare_vectors`; w = u - v is
taken pixel by pixel.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from ipixmatch_jax.losses.inter_pixel.blocks import (
    Image,
    pixel_axes,
    slope_over_blocks,
    sum_over_blocks,
)
from ipixmatch_jax.losses.inter_pixel.pearson import (
    MIN_VARIANCE,
    compare_vectors,
    distance,
    distance_slope,
)
from ipixmatch_jax.losses.inter_pixel.reading import Reading


class _Origin(NamedTuple):
    """The class probabilities of one pixel, subtracted from every pixel's.

    Attributes:
      sure: bool [1, C], the class with a probability above 1/2, if any.
      at: float32 [1, C].
    """

    sure: Array
    at: Array


class _Sums(NamedTuple):
    """Sums over the pixels so far, float32 [1, C] except their number.

    They are the means of u, v and w before they are centred, and the sums of
    products after subtracting those means.
    """

    number: Array
    mean_u: Array
    mean_v: Array
    mean_w: Array
    uu: Array
    vv: Array
    uv: Array
    ww: Array
    wv: Array


def channel_correlation(
    image: Image, temperature: Array, size: int | None
) -> tuple[Array, Array]:
    """Mean over classes of 1 - Pearson's r over the pixels (DIST, 2022).

    A class map that the student keeps exactly constant has r = 0 and slope 0.

    Args:
      image: of C classes.
      temperature: not used.
      size: pixels of a block, see blocks.py.

    Returns:
      float32 scalar, and its slope by the student's logits, float32 [..., C].
    """
    del temperature
    value, slope_of = compare_channels(image, size)

    def make(nothing, q, p, keep, fresh):
        return nothing, slope_of(q, p, keep)

    _, slope = slope_over_blocks(make, None, image, size)
    return value, slope


def compare_channels(
    image: Image, size: int | None
) -> tuple[Array, Callable[[Array, Array, Array], Array]]:
    """The value of `channel_correlation`, and what gives its slope.

    Args:
      image: of C classes.
      size: pixels of a block, see blocks.py.

    Returns:
      float32 scalar; and the function (q, p, keep) -> slope, float32
      [..., C], of the blocks that slope_over_blocks takes.
    """
    n = image.count_kept()
    # Minus one of its own pixels, a constant map is 0 without any rounding.
    first = jnp.unravel_index(jnp.argmax(image.keep), image.keep.shape)
    from_q, from_p = (_origin(x[first][None]) for x in (image.q, image.p))
    zero = jnp.zeros((1, image.q.shape[-1]))

    def add(sums, q, p, keep):
        u, v = _map(jax.nn.softmax(q), from_q), _map(jax.nn.softmax(p), from_p)
        return _join(sums, _sums(u, v, keep))

    start = _Sums(jnp.zeros(()), *[zero] * 8)
    sums = sum_over_blocks(add, start, image, size)
    pair = compare_vectors(sums.uu, sums.vv, sums.uv, sums.ww, sums.wv)
    varies = sums.vv / n >= MIN_VARIANCE
    share = varies / jnp.maximum(varies.sum(), 1)

    def slope_of(q, p, keep):
        y = jax.nn.softmax(q)
        u, v = _map(y, from_q), _map(jax.nn.softmax(p), from_p)
        w = (u - v) - sums.mean_w
        u, v = u - sums.mean_u, v - sums.mean_v
        slope = share * distance_slope(pair, u, v, w)
        slope = slope_through_softmax(y, slope)
        return jnp.where(keep, slope, 0.0)

    return jnp.sum(share * distance(pair)), slope_of


def slope_through_softmax(y: Array, slope: Array) -> Array:
    """Turns a slope by the softmax y into one by the logits, [..., C].

    Subtracting a constant from every class changes nothing. The slope of a
    class above 1/2, if there is one, is subtracted: what is left of a sure
    pixel is then not a difference of two large numbers.
    """
    high = jnp.sum(jnp.where(y > 0.5, slope, 0.0), -1, keepdims=True)
    slope = slope - high
    return y * (slope - jnp.sum(y * slope, -1, keepdims=True))


def _origin(logits: Array) -> _Origin:
    y = jax.nn.softmax(logits)
    sure = y > 0.5
    return _Origin(sure, from_zero(y, sure))


def _map(y: Array, origin: _Origin) -> Array:
    return from_zero(y, origin.sure) - origin.at


def from_zero(y: Array, sure: Array) -> Array:
    """y, or y - 1 for the class that is sure, without rounding 1 - y."""
    others = jnp.sum(jnp.where(y > 0.5, 0.0, y), -1, keepdims=True)
    return jnp.where(sure, jnp.where(y > 0.5, -others, y - 1), y)


def _sums(u: Array, v: Array, keep: Array) -> _Sums:
    """The sums of one block."""
    axes = pixel_axes(u)
    count = keep.sum().astype(jnp.float32)
    n = jnp.maximum(count, 1)

    def mean(x):
        return jnp.sum(jnp.where(keep, x, 0.0), axes, keepdims=True) / n

    def product(x, y):
        return jnp.sum(x * y, axes, keepdims=True)

    w = u - v
    means = [mean(x) for x in (u, v, w)]
    u, v, w = (
        jnp.where(keep, x - m, 0.0)
        for x, m in zip((u, v, w), means, strict=True)
    )
    products = [
        product(*pair) for pair in ((u, u), (v, v), (u, v), (w, w), (w, v))
    ]
    return _Sums(count, *means, *products)


def _join(a: _Sums, b: _Sums) -> _Sums:
    """The sums of two sets of pixels together (Chan et al., 1979)."""
    count = a.number + b.number
    part = b.number / jnp.maximum(count, 1)
    u, v, w = (
        b.mean_u - a.mean_u,
        b.mean_v - a.mean_v,
        b.mean_w - a.mean_w,
    )
    return _Sums(
        count,
        a.mean_u + part * u,
        a.mean_v + part * v,
        a.mean_w + part * w,
        a.uu + b.uu + a.number * part * u * u,
        a.vv + b.vv + a.number * part * v * v,
        a.uv + b.uv + a.number * part * u * v,
        a.ww + b.ww + a.number * part * w * w,
        a.wv + b.wv + a.number * part * w * v,
    )


READING = Reading(channel_correlation)
