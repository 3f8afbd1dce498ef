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

from ipixmatch_jax.losses.inter_pixel.blocks import Image
from ipixmatch_jax.losses.inter_pixel.layouts import Layout, turned
from ipixmatch_jax.losses.inter_pixel.pearson import (
    MIN_VARIANCE,
    Compared,
    compare_vectors,
    distance,
    distance_slope,
)
from ipixmatch_jax.losses.inter_pixel.reading import Reading


class _Origin(NamedTuple):
    """The class probabilities of one pixel, subtracted from every pixel's.

    Attributes:
      sure: bool [C], the class with a probability above 1/2, if any.
      at: float32 [C].
    """

    sure: Array
    at: Array


class _Sums(NamedTuple):
    """Sums over the pixels so far, float32 [C] except their number.

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


class Maps(NamedTuple):
    """What the slope of `compare_channels` is computed from, arrays [C].

    Attributes:
      from_q: what is subtracted from the student's probabilities.
      from_p: the same for the teacher's.
      means: of u, v and w before they are centred.
      pair: the student's maps beside the teacher's.
      share: of every class in the mean over the classes.
    """

    from_q: _Origin
    from_p: _Origin
    means: tuple[Array, Array, Array]
    pair: Compared
    share: Array


def channel_correlation(
    image: Image, temperature: Array, size: int | None
) -> tuple[Array, Maps]:
    """Mean over classes of 1 - Pearson's r over the pixels (DIST, 2022).

    A class map that the student keeps exactly constant has r = 0 and slope 0.

    Args:
      image: of C classes.
      temperature: not used.
      size: pixels of a block, see blocks.py.

    Returns:
      float32 scalar, and what `channel_correlation_slope` needs.
    """
    del temperature
    return compare_channels(image, turned(image, size))


def channel_correlation_slope(
    image: Image,
    temperature: Array,
    size: int | None,
    maps: Maps,
    cotangent: Array,
) -> Array:
    """The slope of `channel_correlation` times the cotangent, [..., C]."""
    del temperature
    layout = turned(image, size)
    maps = maps._replace(share=maps.share * cotangent)
    slope_of = channel_slope(maps, layout)

    def make(nothing, q, p, keep, fresh):
        return nothing, slope_of(q, p, keep)

    return layout.slope_over(make, None)[1]


def compare_channels(image: Image, layout: Layout) -> tuple[Array, Maps]:
    """The value of `channel_correlation`, and what gives its slope.

    Args:
      image: of C classes.
      layout: of the image.
    """
    n, axis = image.count_kept(), layout.classes
    # Minus one of its own pixels, a constant map is 0 without any rounding.
    from_q, from_p = (_origin(x) for x in image.first_kept())
    minus_q, minus_p = layout.spread((from_q, from_p))
    zero = jnp.zeros(image.q.shape[-1])

    def add(sums, q, p, keep):
        u = _map(jax.nn.softmax(q, axis), minus_q, axis)
        v = _map(jax.nn.softmax(p, axis), minus_p, axis)
        return _join(sums, _sums(u, v, keep, layout))

    sums = layout.sum_over(add, _Sums(jnp.zeros(()), *[zero] * 8))
    pair = compare_vectors(sums.uu, sums.vv, sums.uv, sums.ww, sums.wv)
    varies = sums.vv / n >= MIN_VARIANCE
    share = varies / jnp.maximum(varies.sum(), 1)
    means = sums.mean_u, sums.mean_v, sums.mean_w
    value = jnp.sum(share * distance(pair))
    return value, Maps(from_q, from_p, means, pair, share)


def channel_slope(
    maps: Maps, layout: Layout
) -> Callable[[Array, Array, Array], Array]:
    """The function (q, p, keep) -> slope of a block, by its logits."""
    maps, axis = layout.spread(maps), layout.classes
    mean_u, mean_v, mean_w = maps.means

    def slope_of(q, p, keep):
        y = jax.nn.softmax(q, axis)
        u = _map(y, maps.from_q, axis)
        v = _map(jax.nn.softmax(p, axis), maps.from_p, axis)
        w = (u - v) - mean_w
        slope = distance_slope(maps.pair, u - mean_u, v - mean_v, w)
        slope = slope_through_softmax(y, maps.share * slope, axis)
        return jnp.where(keep, slope, 0.0)

    return slope_of


def slope_through_softmax(y: Array, slope: Array, axis: int) -> Array:
    """Turns a slope by the softmax y into one by the logits.

    Subtracting a constant from every class changes nothing. The slope of a
    class above 1/2, if there is one, is subtracted: what is left of a sure
    pixel is then not a difference of two large numbers.

    Args:
      y: float32, with the classes along one axis.
      slope: the same shape.
      axis: that of the classes.
    """
    high = jnp.sum(jnp.where(y > 0.5, slope, 0.0), axis, keepdims=True)
    slope = slope - high
    return y * (slope - jnp.sum(y * slope, axis, keepdims=True))


def _origin(logits: Array) -> _Origin:
    """The origin at one pixel's logits, [C]."""
    y = jax.nn.softmax(logits)
    sure = y > 0.5
    return _Origin(sure, from_zero(y, sure, -1))


def _map(y: Array, origin: _Origin, axis: int) -> Array:
    return from_zero(y, origin.sure, axis) - origin.at


def from_zero(y: Array, sure: Array, axis: int) -> Array:
    """y, or y - 1 for the class that is sure, without rounding 1 - y."""
    others = jnp.sum(jnp.where(y > 0.5, 0.0, y), axis, keepdims=True)
    return jnp.where(sure, jnp.where(y > 0.5, -others, y - 1), y)


def _sums(u: Array, v: Array, keep: Array, layout: Layout) -> _Sums:
    """The sums of one block."""
    count = keep.sum().astype(jnp.float32)
    n = jnp.maximum(count, 1)
    w = u - v
    means = [layout.sum(jnp.where(keep, x, 0.0)) / n for x in (u, v, w)]
    u, v, w = (
        jnp.where(keep, x - layout.spread(m), 0.0)
        for x, m in zip((u, v, w), means, strict=True)
    )
    products = [
        layout.sum(x * y) for x, y in ((u, u), (v, v), (u, v), (w, w), (w, v))
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


READING = Reading(channel_correlation, channel_correlation_slope)
