"""Layer normalisation in float32, as torch's."""

import flax.linen as nn
import jax.numpy as jnp

from ipixmatch_jax.models.layers.layer import Layer


class _LayerNorm(Layer, nn.LayerNorm):
    """flax's LayerNorm, with its attributes and its params."""


_Recomputed = nn.remat(_LayerNorm)


def layer_norm(epsilon: float, name: str | None) -> nn.Module:
    """Layer normalisation in float32, its variance in two passes as torch's.

    Params `scale` and `bias`. One pass, E[x^2] - E[x]^2, would lose the
    variance of tokens with a large mean. The gradient keeps x alone and
    computes the rest again.
    """
    return _Recomputed(
        epsilon, dtype=jnp.float32, use_fast_variance=False, name=name
    )
