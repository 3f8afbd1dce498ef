"""What batch norm computes: a batch's moments, and the normalised batch."""

import jax.numpy as jnp
from jax import Array, lax

EPSILON = 1e-5


def normalise(
    x: Array, scale: Array, bias: Array, mean: Array, var: Array
) -> Array:
    """x [..., C] normalised by moments [C], in float32."""
    factor = scale * lax.rsqrt(var + EPSILON)
    return (x.astype(jnp.float32) - mean) * factor + bias


def normalise_batch(
    x: Array, scale: Array, bias: Array, about: Array
) -> tuple[Array, Array, Array]:
    """Normalises x by its own moments.

    Args:
      x: [..., C].
      scale: float32 [C].
      bias: float32 [C].
      about: float32 [C], where the mean is expected.

    Returns:
      float32 [..., C], the mean [C] and the biased variance [C].
    """
    mean, var = _moments(x.astype(jnp.float32), about)
    return normalise(x, scale, bias, mean, var), mean, var


def _moments(x, about):
    """The mean and the biased variance of x, over all axes but the last.

    Both sums are taken in one pass, so that x is read once and devices exchange
    once. Their difference keeps its digits where the mean is near `about`, the
    running one; E[x^2] - E[x]^2 would lose them.
    """
    axes = tuple(range(x.ndim - 1))
    deviation = x - lax.stop_gradient(about)
    mean = deviation.mean(axes)
    var = jnp.square(deviation).mean(axes) - jnp.square(mean)
    return about + mean, jnp.maximum(var, 0.0)
