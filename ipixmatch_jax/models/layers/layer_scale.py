"""LayerScale: a learnt factor per channel on a residual branch."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from ipixmatch_jax.models.layers.layer import Layer


class LayerScale(Layer):
    """Multiplies by the param `gamma` float32 [C].

    Attributes:
      initial: the value of every factor at the start; 1.0 in DINOv2, 1e-5 in
        DINOv3.
    """

    initial: float = 1.0

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps x [..., C] to float32 of the same shape."""
        constant = nn.initializers.constant(self.initial)
        gamma = self.param("gamma", constant, x.shape[-1:])
        return x.astype(jnp.float32) * gamma
