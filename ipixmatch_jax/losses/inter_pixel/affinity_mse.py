"""The squared distance of two N x N similarity matrices, by moments.

No N x N matrix is built: with f and g as in features.py the distance is a sum
over the C x C moments of d = f - g and of the mean of f and g. The difference
is taken pixel by pixel, before any sum over the image: where the student is
close to the teacher each term is as small as the result, and none is a
difference of large numbers.
"""

import jax.numpy as jnp
from jax import Array

from ipixmatch_jax.losses.inter_pixel.blocks import (
    Image,
    slope_over_blocks,
    sum_over_blocks,
)
from ipixmatch_jax.losses.inter_pixel.features import (
    dot,
    features,
    products,
    slope_by_logits,
)
from ipixmatch_jax.losses.inter_pixel.reading import Reading


def affinity_mse(
    image: Image, temperature: Array, size: int | None
) -> tuple[Array, Array]:
    """Mean over i, j of (A^q_ij - A^p_ij)^2 (ours), in O(N C^2) time.

    With m = (f + g) / 2 the matrix A^q - A^p is MD' + DM', whose squared norm
    is 2 sum(M'M * D'D) + 2 sum(D'M * M'D).

    Args:
      image: of N pixels and C classes.
      temperature: not used.
      size: pixels of a block, see blocks.py.

    Returns:
      float32 scalar, and its slope by the student's logits, float32 [..., C].
    """
    del temperature
    n = image.count_kept()
    classes = image.q.shape[-1]

    def parts(q, p, keep):
        f, g = features(q, keep), features(p, keep)
        d = f.unit - g.unit
        return f, jnp.concatenate([g.unit + d / 2, d], -1)

    def add(moments, q, p, keep):
        _, both = parts(q, p, keep)
        return moments + products(both, both)

    zero = jnp.zeros((2 * classes, 2 * classes))
    moments = sum_over_blocks(add, zero, image, size) / n
    mm, dm = moments[:classes, :classes], moments[classes:, :classes]
    dd = moments[classes:, classes:]
    # D'F and M'F, since f = m + d / 2.
    by_f = jnp.concatenate([dm + dd / 2, mm + dm.T / 2])

    def make(nothing, q, p, keep, fresh):
        f, both = parts(q, p, keep)
        return nothing, slope_by_logits(f, dot(both, by_f) * (4 / n))

    _, slope = slope_over_blocks(make, None, image, size)
    return 2 * jnp.sum(mm * dd) + 2 * jnp.sum(dm * dm.T), slope


READING = Reading(affinity_mse)
