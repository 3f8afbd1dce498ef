"""Starting values of torch's layers and of Meta's vision transformers."""

import math
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

# A linear layer of a vision transformer: normal, cut off at +-2 (100 standard
# deviations, so hardly ever). Its bias starts at 0.
transformer_linear = nn.initializers.normal(0.02)


def uniform_within(fan_in: int) -> Callable:
    """Uniform within 1 / sqrt(fan_in): torch's default for kernel and bias.

    Args:
      fan_in: inputs of one output value.

    Returns:
      an initialiser (key, shape, dtype) -> array.
    """
    bound = 1 / math.sqrt(fan_in)

    def init(key, shape, dtype=jnp.float32):
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return init
