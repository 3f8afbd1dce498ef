"""The networks inside a block against float64 NumPy."""

import math

import jax
import numpy as np
import pytest

from ipixmatch_jax.models.layers.feed_forward import (
    FeedForward,
    GatedFeedForward,
    gated_hidden,
)


def params(**shapes):
    rng = np.random.default_rng(0)
    return {
        name: {
            "kernel": rng.standard_normal(shape),
            "bias": rng.standard_normal(shape[1:]),
        }
        for name, shape in shapes.items()
    }


def linear(x, layer):
    return x @ layer["kernel"] + layer["bias"]


def tokens():
    return np.random.default_rng(1).standard_normal((2, 5, 8))


def test_gelu_is_exact():
    p = params(fc1=(8, 12), fc2=(12, 8))
    hidden = linear(tokens(), p["fc1"])
    hidden *= np.vectorize(lambda x: (1 + math.erf(x / math.sqrt(2))) / 2)(
        hidden
    )
    actual = FeedForward(12).apply({"params": p}, np.float32(tokens()))
    np.testing.assert_allclose(actual, linear(hidden, p["fc2"]), atol=3e-5)


def test_the_first_half_is_the_gate():
    p = params(w12=(8, 12), w3=(6, 8))
    gate, value = np.split(linear(tokens(), p["w12"]), 2, -1)
    hidden = gate / (1 + np.exp(-gate)) * value
    actual = GatedFeedForward(6).apply({"params": p}, np.float32(tokens()))
    np.testing.assert_allclose(actual, linear(hidden, p["w3"]), atol=3e-5)


@pytest.mark.parametrize(("width", "hidden"), [(1536, 4096), (48, 128)])
def test_the_gated_networks_width_is_metas(width, hidden):
    assert gated_hidden(width) == hidden


@pytest.mark.parametrize(
    ("network", "params", "widths"),
    [
        (FeedForward(12), params(fc1=(8, 12), fc2=(12, 8)), [8, 12, 12]),
        (GatedFeedForward(12), params(w12=(8, 24), w3=(12, 8)), [8, 12, 24]),
    ],
    ids=["gelu", "swiglu"],
)
def test_the_gradient_keeps_what_the_products_read_and_give(
    network, params, widths
):
    x = np.float32(tokens())
    _, pull = jax.vjp(lambda p, x: network.apply({"params": p}, x), params, x)
    shapes = [np.shape(kept) for kept in jax.tree.leaves(pull)]
    kept = [shape[-1] for shape in shapes if shape[:-1] == (2, 5)]
    assert sorted(kept) == widths
