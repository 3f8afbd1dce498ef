"""The two-layer networks inside a transformer's block."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from ipixmatch_jax.models.layers.dense import Dense
from ipixmatch_jax.models.layers.initialisers import transformer_linear


class FeedForward(nn.Module):
    """Linear map, GELU (exact, by the error function), linear map.

    Params `fc1` and `fc2`, each `kernel` and `bias`.

    Attributes:
      hidden: channels in between.
      dtype: compute dtype.
    """

    hidden: int
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps [..., d] to the same shape, in `dtype`."""
        hidden = _linear(self.hidden, self.dtype, "fc1")(x)
        hidden = _gelu(hidden)
        return _linear(x.shape[-1], self.dtype, "fc2")(hidden)


class GatedFeedForward(nn.Module):
    """SwiGLU: silu(a) * b of two linear maps, then a third (DINOv2's giant).

    Params `w12`, a and b side by side, and `w3`, each `kernel` and `bias`.

    Attributes:
      hidden: channels of a and of b.
      dtype: compute dtype.
    """

    hidden: int
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps [..., d] to the same shape, in `dtype`."""
        both = _linear(2 * self.hidden, self.dtype, "w12")(x)
        return _linear(x.shape[-1], self.dtype, "w3")(_gated(both))


def gated_hidden(width: int) -> int:
    """Hidden channels of the SwiGLU that stands for 4 * width (Meta's rule).

    Two thirds of them, rounded up to a multiple of 8: 4096 for 1536.
    """
    return (int(4 * width * 2 / 3) + 7) // 8 * 8


# Their gradients need the input alone; jax would keep two more arrays of its
# size.
@jax.checkpoint
def _gelu(x):
    return nn.gelu(x, approximate=False)


@jax.checkpoint
def _gated(both):
    gate, value = jnp.split(both, 2, axis=-1)
    return nn.silu(gate) * value


def _linear(features, dtype, name):
    return Dense(
        features, dtype=dtype, kernel_init=transformer_linear, name=name
    )
