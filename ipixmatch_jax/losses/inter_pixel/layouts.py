"""How the arrays of a block lie, for readings that sum per class or pixel.

A GPU or TPU takes the whole image as it is, [..., C]. On a CPU the last axis
of a loop must be long to fill the vector units, and 21 classes are short: exp
over [4096, 21] takes three times as long as over [21, 4096]. Where the classes
of a pixel are summed, `turned` blocks have the pixels last; for sums over the
pixels alone see rows.py.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from ipixmatch_jax.losses.inter_pixel.blocks import (
    Image,
    even_size,
    pixel_axes,
    slope_over_blocks,
    sum_over_blocks,
)


class Layout(NamedTuple):
    """An image, cut and laid out for a pass over its pixels.

    Attributes:
      classes: the axis of the classes in a block.
      sum: sums an array of a block over its pixels, to [C].
      spread: turns a tree of arrays [C], or of scalars, into ones that a
        block's arrays broadcast with.
      sum_over: (add, sums) -> sums, see sum_over_blocks.
      slope_over: (make, sums) -> sums, slope, see slope_over_blocks. The
        slope is that of the image, however the blocks lie.
    """

    classes: int
    sum: Callable[[Array], Array]
    spread: Callable[[Any], Any]
    sum_over: Callable[[Callable, Any], Any]
    slope_over: Callable[[Callable, Any], tuple[Any, Array]]


def turned(image: Image, size: int | None) -> Layout:
    """Blocks [C, size]; the whole image [..., C] where size is None.

    Args:
      image: of N pixels and C classes.
      size: pixels of a block at most, see blocks.py.
    """
    if size is None:
        return _whole(image)
    size = even_size(len(image.keep), size)

    def turn(q, p, *masks):
        q, p = compute_apart(lambda: (q.T, p.T))
        return q, p, *(x.T for x in masks)

    def sum_over(add, sums):
        def add_turned(sums, *block):
            return add(sums, *turn(*block))

        return sum_over_blocks(add_turned, sums, image, size)

    def slope_over(make, sums):
        def make_turned(sums, *block):
            block = turn(*block)
            sums, slope = compute_apart(lambda: make(sums, *block))
            return sums, slope.T

        return slope_over_blocks(make_turned, sums, image, size)

    return Layout(
        0,
        lambda x: x.sum(1),
        lambda tree: jax.tree.map(lambda x: x[:, None], tree),
        sum_over,
        slope_over,
    )


def compute_apart(function: Callable[[], Any]) -> Any:
    """function(), computed on its own before anything is made of it.

    The compiler would repeat a transposition in everything that reads it. It
    does not look into the branches of a condition; this one is always true,
    which the barrier keeps from it.
    """
    arrays = jax.eval_shape(function)
    zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), arrays)
    always = jax.lax.optimization_barrier(jnp.array(True))
    return jax.lax.cond(always, function, lambda: zeros)


def _whole(image: Image) -> Layout:
    axes = pixel_axes(image.q)
    return Layout(
        -1,
        lambda x: x.sum(axes),
        lambda tree: tree,
        lambda add, sums: sum_over_blocks(add, sums, image, None),
        lambda make, sums: slope_over_blocks(make, sums, image, None),
    )
