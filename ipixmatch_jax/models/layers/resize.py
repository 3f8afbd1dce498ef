"""Bilinear interpolation with aligned corners, as two matrix products."""

import jax
import jax.numpy as jnp
from jax import lax


def resize_align_corners(
    x: jax.Array,
    size_hw: tuple[int, int],
    sizes_in: jax.Array | None = None,
    sizes_out: jax.Array | None = None,
) -> jax.Array:
    """Resizes images bilinearly so that the corner pixels' centres coincide.

    Equal to `align_corners=True` of PyTorch. Row i of the output is read at
    i * (h_in - 1) / (h_out - 1).

    Args:
      x: [B, h, w, C].
      size_hw: height and width of the output.
      sizes_in: int32 [B, 2], true height and width of each image inside x,
        whose values outside are 0. None: the whole of x.
      sizes_out: int32 [B, 2], true height and width inside the output, which
        is 0 outside. Given together with `sizes_in`.

    Returns:
      float32 [B, H, W, C].
    """
    if sizes_in is None:
        sizes_in = jnp.asarray([x.shape[1:3]], jnp.int32)
        sizes_out = jnp.asarray([size_hw], jnp.int32)
    elif sizes_out is None:
        raise ValueError("sizes_in needs sizes_out beside it.")
    rows = _tent(size_hw[0], x.shape[1], sizes_out[:, 0], sizes_in[:, 0])
    cols = _tent(size_hw[1], x.shape[2], sizes_out[:, 1], sizes_in[:, 1])
    x = x.astype(jnp.float32)
    if _rows_first(x.shape[1:3], size_hw):
        return _along_cols(cols, _along_rows(rows, x))
    return _along_rows(rows, _along_cols(cols, x))


def _tent(size_out, size_in, true_out, true_in):
    """Interpolation weights, float32 [B or 1, size_out, size_in]."""
    i = jnp.arange(size_out, dtype=jnp.float32)
    last_out = jnp.maximum(true_out - 1, 1).astype(jnp.float32)[:, None]
    last_in = jnp.maximum(true_in - 1, 0).astype(jnp.float32)[:, None]
    position = (i * last_in / last_out)[..., None]
    j = jnp.arange(size_in, dtype=jnp.float32)
    weights = jnp.maximum(1.0 - jnp.abs(position - j), 0.0)
    return jnp.where(i[:, None] < true_out[:, None, None], weights, 0.0)


def _rows_first(size_in, size_out):
    (h, w), (H, W) = size_in, size_out
    return H * h * w + H * W * w <= h * W * w + H * W * h


def _along_rows(matrix, x):
    if matrix.shape[0] == 1:
        return _product("Hh,bhwc->bHwc", matrix[0], x)
    return _product("bHh,bhwc->bHwc", matrix, x)


def _along_cols(matrix, x):
    if matrix.shape[0] == 1:
        return _product("Ww,bhwc->bhWc", matrix[0], x)
    return _product("bWw,bhwc->bhWc", matrix, x)


def _product(subscripts, matrix, x):
    return jnp.einsum(subscripts, matrix, x, precision=lax.Precision.HIGHEST)
