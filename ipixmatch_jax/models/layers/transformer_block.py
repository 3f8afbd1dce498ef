"""The pre-norm block of DINOv2's and DINOv3's vision transformers."""

from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from ipixmatch_jax.models.layers.attention import SelfAttention
from ipixmatch_jax.models.layers.feed_forward import (
    FeedForward,
    GatedFeedForward,
    gated_hidden,
)
from ipixmatch_jax.models.layers.layer_norm import layer_norm
from ipixmatch_jax.models.layers.layer_scale import LayerScale


class TransformerBlock(nn.Module):
    """x + scale(attention(norm(x))), then the same with a feed-forward net.

    The sums are float32 whatever the compute dtype, as under torch's
    autocast: a few channels of trained models are hundreds of times as large
    as the rest, and bfloat16 would lose what a block adds to them.

    Params `norm1`, `attention`, `scale1`, `norm2`, `mlp`, `scale2`.

    Attributes:
      heads: attention heads.
      gated: SwiGLU instead of the GELU network.
      key_bias: see `SelfAttention`.
      epsilon: of the layer norms.
      initial_scale: starting value of both LayerScales.
      attention: see `SelfAttention.implementation`.
      dtype: compute dtype of the matrix products.
    """

    heads: int
    gated: bool = False
    key_bias: bool = True
    epsilon: float = 1e-6
    initial_scale: float = 1.0
    attention: Literal["xla", "cudnn"] = "xla"
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(
        self,
        x: jax.Array,
        rotary: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> jax.Array:
        """Maps tokens float32 [B, N, d] to the same shape and dtype."""
        y = layer_norm(self.epsilon, "norm1")(x)
        y = SelfAttention(
            self.heads,
            self.key_bias,
            self.attention,
            self.dtype,
            name="attention",
        )(y, rotary)
        x = x + LayerScale(self.initial_scale, name="scale1")(y)
        y = layer_norm(self.epsilon, "norm2")(x)
        d = x.shape[-1]
        if self.gated:
            y = GatedFeedForward(gated_hidden(d), self.dtype, name="mlp")(y)
        else:
            y = FeedForward(4 * d, self.dtype, name="mlp")(y)
        return x + LayerScale(self.initial_scale, name="scale2")(y)
