"""Averages of a map over the cells of a coarser one."""

import jax
import jax.numpy as jnp
from jax import lax


def average_areas(x: jax.Array, size_hw: tuple[int, ...]) -> jax.Array:
    """Averages a map over equal areas, so that every value counts once.

    Row i of the output is the mean of the input's rows from i h / H to
    (i + 1) h / H; a row that two cells share counts for each by its part.
    Ours; where the sizes divide each other it is average pooling.

    Args:
      x: [B, h, w, C].
      size_hw: height H and width W of the output.

    Returns:
      float32 [B, H, W, C].
    """
    h, w = x.shape[1:3]
    return _sum_areas(x.astype(jnp.float32), size_hw) / (h * w)


def most_of_area(mask: jax.Array, size_hw: tuple[int, ...]) -> jax.Array:
    """Brings a mask of pixels to cells: True where at least half is True.

    Args:
      mask: bool [B, h, w].
      size_hw: height H and width W of the output.

    Returns:
      bool [B, H, W].
    """
    h, w = mask.shape[1:]
    total = _sum_areas(mask[..., None].astype(jnp.float32), size_hw)[..., 0]
    # Both sides are whole numbers, which float32 holds up to 4096 x 4096.
    return 2 * total >= h * w


def _sum_areas(x, size_hw):
    """Means times h w, of whole-numbered weights."""
    (h, w), (rows, cols) = x.shape[1:3], size_hw
    x = _product("Hh,bhwc->bHwc", _overlaps(rows, h), x)
    return _product("Ww,bHwc->bHWc", _overlaps(cols, w), x)


def _overlaps(cells, length):
    """float32 [cells, length]: common length of cell and value, times cells."""
    i = jnp.arange(cells)[:, None] * length
    j = jnp.arange(length) * cells
    common = jnp.minimum(i + length, j + cells) - jnp.maximum(i, j)
    return jnp.maximum(common, 0).astype(jnp.float32)


def _product(subscripts, matrix, x):
    return jnp.einsum(subscripts, matrix, x, precision=lax.Precision.HIGHEST)
