"""Batch normalisation with PyTorch's statistics, over the global batch."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from ipixmatch_jax.models.layers.layer import Layer
from ipixmatch_jax.models.layers.norm_on_cpu import normalise_batch_on_cpu
from ipixmatch_jax.models.layers.normalise import normalise


class BatchNorm(Layer):
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
        old_mean, old_var = running_mean.value, running_var.value
        if not train:
            y = normalise(x, scale, bias, old_mean, old_var)
            return y.astype(self.dtype)
        y, mean, var = normalise_batch_on_cpu(x, scale, bias, old_mean)
        count = x.size // x.shape[-1]
        # The variance of a single value stays 0 instead of 0 / 0.
        unbiased = var * (count / max(count - 1, 1))
        if not self.is_initializing():
            running_mean.value = _blend(old_mean, mean)
            running_var.value = _blend(old_var, unbiased)
        return y.astype(self.dtype)

    def _is_folded(self) -> bool:
        has = self.has_variable
        return has("params", "bias") and not has("params", "scale")


def _blend(old, new):
    return 0.9 * old + 0.1 * lax.stop_gradient(new)
