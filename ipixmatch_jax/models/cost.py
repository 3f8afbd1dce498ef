"""The size and the arithmetic of a network, without running it."""

import math

import jax
import jax.numpy as jnp

from ipixmatch_jax.models.segmenter import Segmenter, variable_shapes


def count_parameters(network: Segmenter) -> int:
    """How many numbers training changes in a network."""
    leaves = jax.tree.leaves(variable_shapes(network)["params"])
    return sum(math.prod(leaf.shape) for leaf in leaves)


def count_forward_flops(network: Segmenter, side: int) -> float | None:
    """Floating-point operations of one image on its way through a network.

    A multiplication and an addition count as two. XLA counts them in the
    program before it is optimised.

    Args:
      network: in inference.
      side: height and width of the image, pixels.

    Returns:
      the count; None where the backend does not count.
    """
    image = jax.ShapeDtypeStruct((1, side, side, network.channels), jnp.float32)
    forward = jax.jit(lambda variables, x: network.apply(variables, x, False))
    lowered = forward.lower(variable_shapes(network), image)
    cost = lowered.cost_analysis()
    return cost.get("flops") if isinstance(cost, dict) else None
