"""Learnt position embeddings on a grid of another size.

torch resamples by two rules, and DINOv2's models were trained with one each:
without registers bicubic interpolation at a stated scale, with registers the
antialiased one that fits the size (Meta's hub code). Either is two fixed
matrices, made here in float64.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

# Added to the number of patches before it is divided by the embedding's own:
# a workaround that the models were trained with (Meta's interpolate_offset).
OFFSET = 0.1


def resize_position_embedding(
    embedding: jax.Array, grid: tuple[int, int], *, antialias: bool
) -> jax.Array:
    """The embedding for a grid of patches; its own grid is returned as it is.

    Args:
      embedding: float [1, 1 + M * M, d], the class token's first.
      grid: rows and columns of patches (h, w).
      antialias: Meta's rule for models with registers; False: the rule for
        those without, and UniMatch V2's.

    Returns:
      float32 [1, 1 + h * w, d].
    """
    side = int(np.sqrt(embedding.shape[1] - 1))
    embedding = embedding.astype(jnp.float32)
    if tuple(grid) == (side, side):
        return embedding
    matrix = antialiased_matrix if antialias else scaled_matrix
    rows, cols = (jnp.asarray(matrix(n, side), jnp.float32) for n in grid)
    patches = embedding[0, 1:].reshape(side, side, -1)
    patches = jnp.einsum(
        "hi,wj,ijd->hwd", rows, cols, patches, precision=lax.Precision.HIGHEST
    )
    patches = patches.reshape(1, -1, embedding.shape[-1])
    return jnp.concatenate([embedding[:, :1], patches], axis=1)


@functools.cache
def scaled_matrix(size: int, side: int) -> np.ndarray:
    """Bicubic interpolation at scale (size + OFFSET) / side, [size, side].

    The cubic has a = -0.75; positions beyond the border take its value.
    torch: interpolate(scale_factor=..., mode="bicubic").
    """
    position = (np.arange(size) + 0.5) * side / (size + OFFSET) - 0.5
    first = np.floor(position).astype(int) - 1
    matrix = np.zeros((size, side))
    for tap in range(4):
        weight = _cubic(position - (first + tap), -0.75)
        index = np.clip(first + tap, 0, side - 1)
        np.add.at(matrix, (np.arange(size), index), weight)
    return matrix


@functools.cache
def antialiased_matrix(size: int, side: int) -> np.ndarray:
    """Bicubic interpolation with a wider cubic where it shrinks, [size, side].

    The cubic has a = -0.5; weights beyond the border are left out and the
    others scaled to a sum of 1. torch: interpolate(size=..., mode="bicubic",
    antialias=True).
    """
    scale = side / size
    stretch = max(scale, 1.0)
    centre = (np.arange(size) + 0.5) * scale
    distance = (np.arange(side) + 0.5 - centre[:, None]) / stretch
    matrix = _cubic(distance, -0.5)
    return matrix / matrix.sum(1, keepdims=True)


def _cubic(distance, a):
    """Keys' cubic convolution kernel with free parameter a."""
    x = np.abs(distance)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = a * (((x - 5) * x + 8) * x - 4)
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))
