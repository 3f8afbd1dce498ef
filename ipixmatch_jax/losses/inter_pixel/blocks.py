"""One image's pixels, a block at a time or all at once.

A reading of the inter-pixel loss goes over an image one to four times, to sum
over its pixels or to compute the gradient. Block by block, the intermediate
arrays of one block are made and dropped before the next: the memory beyond the
gradient does not grow with the image, and a block stays in a CPU's cache. All
at once, an image keeps its two axes, since a TPU would copy it to flatten them.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

# A block is a multiple of this many pixels, where it has as many.
LANES = 8


class Image(NamedTuple):
    """What a reading compares.

    Attributes:
      q: float32 [..., C], the student's logits; [N, C] for blocks.
      p: float32 [..., C], the teacher's.
      keep: bool [...], the pixels of Omega.
    """

    q: Array
    p: Array
    keep: Array

    def count_kept(self) -> Array:
        """Number of pixels in Omega, float32; at least 1, to divide by."""
        return jnp.maximum(self.keep.sum(), 1).astype(jnp.float32)

    def first_kept(self) -> tuple[Array, Array]:
        """q and p of the first pixel in Omega, [C]; of pixel 0 without any."""
        at = jnp.argmax(self.keep)
        if self.keep.ndim == 1:
            return self.q[at], self.p[at]
        # To read one pixel, a TPU would copy the image, its few classes padded
        # to 128. In a sum of zeros and one value nothing is rounded.
        places = jnp.arange(self.keep.size).reshape(self.keep.shape)
        chosen = (places == at)[..., None]
        axes = tuple(range(self.keep.ndim))
        q, p = (jnp.where(chosen, x, 0.0).sum(axes) for x in self[:2])
        return q, p


def sum_over_blocks(
    add: Callable, sums: Any, image: Image, size: int | None
) -> Any:
    """add(sums, q, p, keep) -> sums, over all blocks.

    Args:
      add: takes q and p of a block, float32 [size, C], and keep, [size, 1].
      sums: before the first block; a tree of arrays.
      image: of N pixels.
      size: pixels of a block. Where it does not divide N, the last block
        overlaps the one before, and its keep is False for the pixels that
        were in that. None: one block, the image as it is, q [..., C] and keep
        [..., 1].
    """
    if size is None:
        return add(sums, image.q, image.p, image.keep[..., None])

    def step(index, sums):
        _, q, p, keep, fresh = _block(image, size, index)
        return add(sums, q, p, keep & fresh)

    return _loop(step, sums, image, size)


def each_block(make: Callable, image: Image, size: int | None) -> Any:
    """make(q, p, keep) of every block, stacked along a new first axis.

    Args:
      make: takes q, p and keep as `add` in `sum_over_blocks`; returns a tree.
      image: of N pixels.
      size: as in `sum_over_blocks`.
    """
    if size is None:
        found = make(image.q, image.p, image.keep[..., None])
        return jax.tree.map(lambda x: x[None], found)

    def step(index):
        _, q, p, keep, fresh = _block(image, size, index)
        return make(q, p, keep & fresh)

    count = _count(image, size)
    if count == 1:
        return jax.tree.map(lambda x: x[None], step(0))
    return lax.map(step, jnp.arange(count))


def slope_over_blocks(
    make: Callable, sums: Any, image: Image, size: int | None
) -> tuple[Any, Array]:
    """make(sums, q, p, keep, fresh) -> sums, slope; over all blocks.

    Args:
      make: takes q, p and keep as in `sum_over_blocks`, but keep is True for
        every pixel of Omega; fresh, bool [size, 1], says which pixels were in
        no block before. slope is float32 [size, C].
      sums: as in `sum_over_blocks`.
      image: of N pixels.
      size: as in `sum_over_blocks`.

    Returns:
      sums, and the slopes of all blocks, float32 of image.q's shape.
    """
    if size is None:
        return make(sums, image.q, image.p, image.keep[..., None], True)

    def step(index, carry):
        sums, slopes = carry
        start, *block = _block(image, size, index)
        sums, slope = make(sums, *block)
        return sums, lax.dynamic_update_slice_in_dim(slopes, slope, start, 0)

    return _loop(step, (sums, jnp.zeros_like(image.q)), image, size)


def pixel_axes(x: Array) -> tuple[int, ...]:
    """All axes but the last, which is that of the classes."""
    return tuple(range(x.ndim - 1))


def even_size(pixels: int, size: int) -> int:
    """The pixels of a block, at most about `size`, for blocks of equal size.

    The last block overlaps the one before by as few pixels as possible.
    """
    if min(pixels, size) <= LANES:
        return min(pixels, size)
    count = -(-pixels // size)
    if count == 1 and pixels % LANES:
        count = 2
    even = -(-pixels // count)
    return -(-even // LANES) * LANES


def _block(image: Image, size: int, index: Array) -> tuple:
    """start, q, p [size, C], keep and fresh [size, 1] of one block.

    Of an image without an axis of classes, all are [size].
    """
    size = min(size, len(image.keep))
    start = jnp.minimum(index * size, len(image.keep) - size)
    q, p, keep = (lax.dynamic_slice_in_dim(x, start, size) for x in image)
    fresh = start + jnp.arange(size) >= index * size
    keep, fresh = (x.reshape(-1, *[1] * (q.ndim - 1)) for x in (keep, fresh))
    return start, q, p, keep, fresh


def _count(image: Image, size: int) -> int:
    return -(-len(image.keep) // size)


def _loop(step: Callable, carry: Any, image: Image, size: int) -> Any:
    count = _count(image, size)
    # A loop of one round would only hinder the compiler.
    return (
        step(0, carry) if count == 1 else lax.fori_loop(0, count, step, carry)
    )
