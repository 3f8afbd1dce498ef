"""Rotary position embedding of a grid of patches (DINOv3)."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

BASE = 100.0  # ratio of the longest period to the shortest, nearly


@functools.cache
def rotary_tables(
    grid: tuple[int, int], head_dim: int
) -> tuple[np.ndarray, np.ndarray]:
    """Cosines and sines of the angles of each patch.

    A patch's coordinates (y, x) run from -1 to 1 along each side by itself
    and are taken at its centre; a coordinate c has the angles
    2 pi c / BASE^(4 j / head_dim), j < head_dim / 4.

    Args:
      grid: rows and columns of patches (h, w).
      head_dim: channels of an attention head, a multiple of 4.

    Returns:
      two float32 arrays [h * w, head_dim]: angles of y, of x, and both again.
    """
    sides = [2 * (np.arange(n) + 0.5) / n - 1 for n in grid]
    coordinates = np.stack(np.meshgrid(*sides, indexing="ij"), -1)
    periods = BASE ** (4 * np.arange(head_dim // 4) / head_dim)
    angles = 2 * np.pi * coordinates.reshape(-1, 2, 1) / periods
    angles = np.tile(angles.reshape(-1, head_dim // 2), 2)
    cos, sin = np.cos(angles), np.sin(angles)
    return cos.astype(np.float32), sin.astype(np.float32)


def rotate_patches(
    x: jax.Array, tables: tuple[np.ndarray, np.ndarray]
) -> jax.Array:
    """Turns the last tokens of x [B, N, heads, head_dim] by the tables.

    The tokens before the patches (class token and registers) stay as they
    are. Computed in float32, returned in x's dtype.
    """
    cos, sin = (jnp.asarray(table)[:, None] for table in tables)
    first = x.shape[1] - cos.shape[0]
    patches = x[:, first:].astype(jnp.float32)
    low, high = jnp.split(patches, 2, axis=-1)
    turned = patches * cos + jnp.concatenate([-high, low], -1) * sin
    return jnp.concatenate([x[:, :first], turned.astype(x.dtype)], axis=1)
