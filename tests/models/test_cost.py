"""The size and the arithmetic of a network, against other counts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ipixmatch_jax.models import cost
from ipixmatch_jax.models import registry as model_registry
from ipixmatch_jax.models.segmenter import variable_shapes


def multiplied(jaxpr):
    """Multiply-adds of the convolutions and matrix products of a program."""
    total = 0
    for equation in jaxpr.eqns:
        shapes = [v.aval.shape for v in (*equation.invars, *equation.outvars)]
        if equation.primitive.name == "conv_general_dilated":
            total += np.prod(shapes[1][:-1]) * np.prod(shapes[2])
        if equation.primitive.name == "dot_general":
            (summed, _), _ = equation.params["dimension_numbers"]
            inner = np.prod([shapes[0][axis] for axis in summed])
            total += inner * np.prod(shapes[2])
        for value in equation.params.values():
            inner = getattr(value, "jaxpr", None)
            total += 0 if inner is None else multiplied(inner)
    return total


def test_the_arithmetic_is_mostly_that_of_the_convolutions():
    """Two operations for each tap, input channel and output value."""
    network = model_registry.build("tiny", 3)
    image = jax.ShapeDtypeStruct((1, 65, 65, 3), jnp.float32)
    program = jax.make_jaxpr(lambda v, x: network.apply(v, x, False))(
        variable_shapes(network), image
    )
    found = cost.count_forward_flops(network, 65)
    # XLA leaves out taps in the padding, and counts norms and the like.
    assert found == pytest.approx(2 * multiplied(program.jaxpr), rel=0.15)


def test_parameters_are_those_of_torchvisions_table():
    """ResNet-50's 25,557,032 without its classifier of 2,049,000."""
    network = model_registry.build("r50", 3, stem="7x7")
    shapes = variable_shapes(network)["params"]["backbone"]
    backbone = sum(np.prod(leaf.shape) for leaf in jax.tree.leaves(shapes))
    assert backbone == 25_557_032 - 2_049_000
    head = variable_shapes(network)["params"]["head"]
    rest = sum(np.prod(leaf.shape) for leaf in jax.tree.leaves(head))
    assert cost.count_parameters(network) == backbone + rest
