"""Blocks whose rows are a few pixels with all their classes.

Sums over the pixels, class by class, need no axis of classes: on a CPU an
image [N, C] is cut into blocks [size / lanes, lanes * C], without moving a
value, and every column of a block is summed on its own. A GPU or TPU takes the
whole image as it is, [..., C].
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from ipixmatch_jax.losses.inter_pixel.blocks import (
    LANES,
    Image,
    each_block,
    even_size,
    pixel_axes,
    slope_over_blocks,
)
from ipixmatch_jax.losses.inter_pixel.kl_sums import Along
from ipixmatch_jax.losses.inter_pixel.layouts import compute_apart

# Of an image that is one block; the more, the more parts are to be joined.
_MOST_LANES = 48


class Rows(NamedTuple):
    """An image for sums over its pixels alone, class by class.

    Attributes:
      along: how the pixels of a class lie in a block.
      spread: turns a tree of arrays [C], or of scalars, into ones that a
        block's arrays broadcast with.
      each: make(q, p, keep) -> tree of arrays, an entry for each column of
        a block; those of all blocks, [..., C].
      slope: make(q, p, keep) -> the slope of a block; that of the image.
    """

    along: Along
    spread: Callable[[Any], Any]
    each: Callable[[Callable], Any]
    slope: Callable[[Callable], Array]


def cut_rows(image: Image, size: int | None) -> Rows:
    """Cuts an image; size None leaves it whole.

    Args:
      image: of N pixels and C classes.
      size: pixels of a block at most, see blocks.py.
    """
    if size is None:
        return _whole_rows(image)
    pixels, classes = image.q.shape
    size, lanes = _choose_size(pixels, size)
    # Repeated once for all passes: the compiler would do it in every one.
    keep = jax.lax.optimization_barrier(jnp.repeat(image.keep, classes))
    entries = Image(image.q.reshape(-1), image.p.reshape(-1), keep)

    def make_apart(make, *block):
        rows = [x.reshape(-1, lanes * classes) for x in block]
        return compute_apart(lambda: make(*rows))

    def spread(tree):
        return jax.tree.map(
            lambda x: jnp.tile(x, lanes) if jnp.ndim(x) else x, tree
        )

    def each(make):
        make = functools.partial(make_apart, make)
        found = each_block(make, entries, size * classes)
        return jax.tree.map(lambda x: x.reshape(-1, classes), found)

    def slope(make):
        def make_flat(nothing, q, p, keep, fresh):
            del fresh
            return nothing, make_apart(make, q, p, keep).reshape(-1)

        found = slope_over_blocks(make_flat, None, entries, size * classes)
        return found[1].reshape(image.q.shape)

    along = Along(lambda x: x.sum(0), lambda x: x.max(0))
    return Rows(along, spread, each, slope)


def _choose_size(pixels: int, size: int) -> tuple[int, int]:
    """Pixels of a block, and how many of them lie in one row.

    An image that fits into one block is one, where its pixels make even rows:
    two blocks of it would take longer.
    """
    if pixels <= size:
        lanes = max(n for n in range(1, _MOST_LANES + 1) if pixels % n == 0)
        if lanes >= LANES:
            return pixels, lanes
    size = even_size(pixels, size)
    return size, LANES if size % LANES == 0 else 1


def _whole_rows(image: Image) -> Rows:
    axes = pixel_axes(image.q)

    def slope(make):
        return make(image.q, image.p, image.keep[..., None])

    return Rows(
        Along(lambda x: x.sum(axes), lambda x: x.max(axes)),
        lambda tree: tree,
        lambda make: each_block(make, image, None),
        slope,
    )
