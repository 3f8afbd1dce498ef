"""Multi-head self-attention."""

from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from ipixmatch_jax.models.layers.attention_on_cpu import attend_on_cpu
from ipixmatch_jax.models.layers.dense import Dense
from ipixmatch_jax.models.layers.initialisers import transformer_linear
from ipixmatch_jax.models.layers.layer import Layer
from ipixmatch_jax.models.layers.rotary_embedding import rotate_patches
from ipixmatch_jax.utils.by_platform import by_platform


class SelfAttention(nn.Module):
    """Attention of every token to every token, scaled by head_dim^-0.5.

    Params: `qkv` of `QueryKeyValue`, and `proj` with `kernel` [d, d] and
    `bias` [d]. A head owns adjacent channels.

    Attributes:
      heads: number of heads, which divides d.
      key_bias: whether the keys have a bias; DINOv3's have none.
      implementation: "xla" is compiled by XLA; "cudnn" is the fused kernel
        of NVIDIA's GPUs, which takes bfloat16 alone.
      dtype: compute dtype; the softmax is float32.
    """

    heads: int
    key_bias: bool = True
    implementation: Literal["xla", "cudnn"] = "xla"
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(
        self,
        x: jax.Array,
        rotary: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> jax.Array:
        """Maps tokens [B, N, d] to the same shape, in `dtype`.

        `rotary`: tables of rotary_tables for the patches, the last tokens.
        """
        b, n, d = x.shape
        qkv = QueryKeyValue(self.key_bias, self.dtype, name="qkv")(x)
        q, k, v = (
            part.reshape(b, n, self.heads, -1)
            for part in jnp.split(qkv, 3, axis=-1)
        )
        if rotary is not None:
            q, k = rotate_patches(q, rotary), rotate_patches(k, rotary)
        x = _attend(q, k, v, self.implementation)
        return Dense(
            d,
            dtype=self.dtype,
            kernel_init=transformer_linear,
            name="proj",
        )(x.reshape(b, n, d))


def _attend(q, k, v, implementation):
    """Attention of [B, N, heads, d] by the platform's best program."""
    if implementation == "cudnn":
        return jax.nn.dot_product_attention(q, k, v, implementation="cudnn")
    if not isinstance(q.shape[0], int):
        # An exported program with a free batch, which no loop can go over.
        return jax.nn.dot_product_attention(q, k, v)
    return by_platform(
        q, k, v, cpu=attend_on_cpu, default=jax.nn.dot_product_attention
    )


class QueryKeyValue(Layer):
    """Queries, keys and values by one matrix product.

    Params: `kernel` [d, 3 d], in the order query, key, value; `bias` [3 d]
    or, without a bias for the keys, `query_bias` and `value_bias` [d].
    """

    key_bias: bool
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps [..., d] to [..., 3 d] in `dtype`."""
        d = x.shape[-1]
        zeros = nn.initializers.zeros
        kernel = self.param("kernel", transformer_linear, (d, 3 * d))
        if self.key_bias:
            bias = self.param("bias", zeros, (3 * d,))
        else:
            query = self.param("query_bias", zeros, (d,))
            value = self.param("value_bias", zeros, (d,))
            bias = jnp.concatenate([query, jnp.zeros_like(query), value])
        x = x.astype(self.dtype) @ kernel.astype(self.dtype)
        return x + bias.astype(self.dtype)
