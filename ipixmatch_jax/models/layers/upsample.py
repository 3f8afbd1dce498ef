"""Learnt enlargement of a map by a whole factor."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from ipixmatch_jax.models.layers.initialisers import uniform_within
from ipixmatch_jax.models.layers.layer import Layer


class Upsample(Layer):
    """A transposed convolution whose stride is its kernel.

    Nothing overlaps, so it is one matrix product per pixel. Params `kernel`
    float32 [factor, factor, C, C] and `bias` [C].
    """

    factor: int
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps [B, h, w, C] to [B, h * factor, w * factor, C] in `dtype`."""
        b, h, w, c = x.shape
        init = uniform_within(self.factor**2 * c)
        shape = (self.factor, self.factor, c, c)
        kernel = self.param("kernel", init, shape).astype(self.dtype)
        bias = self.param("bias", init, (c,)).astype(self.dtype)
        # [C in, (row, column, C out)]
        kernel = kernel.transpose(2, 0, 1, 3).reshape(c, -1)
        x = x.astype(self.dtype) @ kernel
        x = x.reshape(b, h, w, self.factor, self.factor, c)
        x = x.transpose(0, 1, 3, 2, 4, 5)
        return x.reshape(b, h * self.factor, w * self.factor, c) + bias
