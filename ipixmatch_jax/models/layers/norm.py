"""Batch normalisation with PyTorch's statistics, over the global batch."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

EPSILON = 1e-5


class BatchNorm(nn.Module):
    """Batch normalisation over all axes but the last.

    Torch's semantics (UniMatch v1): epsilon 1e-5, running = 0.9 old +
    0.1 new, and the running variance takes the unbiased batch variance while
    the normalisation takes the biased one. Statistics are float32 whatever
    the compute dtype. Under `jit` with a sharded batch they are taken over the
    global batch, as in SyncBN.

    Attributes:
      dtype: dtype of the output.

    Variables: params `scale`, `bias` [C]; batch_stats `mean`, `var` [C]. Where
    the convolution before it holds the rest (folding.py), `bias` alone.
    """

    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """Normalises x [..., C] to the same shape, in `dtype`.

        With `train` the statistics are the batch's, and the running ones are
        updated: the collection `batch_stats` must then be mutable.
        """
        shape = x.shape[-1:]
        if not train and self._is_folded():
            folded: jax.Array = self.get_variable("params", "bias")
            return (x.astype(jnp.float32) + folded).astype(self.dtype)
        scale = self.param("scale", nn.initializers.ones, shape)
        bias = self.param("bias", nn.initializers.zeros, shape)
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, shape)
        running_var = self.variable("batch_stats", "var", jnp.ones, shape)
        x = x.astype(jnp.float32)
        if not train:
            mean, var = running_mean.value, running_var.value
        else:
            mean, var = _moments(x, running_mean.value)
            count = x.size // x.shape[-1]
            # The variance of a single value stays 0 instead of 0 / 0.
            unbiased = var * (count / max(count - 1, 1))
            if not self.is_initializing():
                running_mean.value = _blend(running_mean.value, mean)
                running_var.value = _blend(running_var.value, unbiased)
        factor = scale * lax.rsqrt(var + EPSILON)
        return ((x - mean) * factor + bias).astype(self.dtype)

    def _is_folded(self) -> bool:
        has = self.has_variable
        return has("params", "bias") and not has("params", "scale")


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


def _blend(old, new):
    return 0.9 * old + 0.1 * lax.stop_gradient(new)
