"""Layers read the params that they have and let flax draw or refuse others."""

import flax.errors
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ipixmatch_jax.models.layers.dense import Dense

traced = []


def ones(key, shape, dtype=jnp.float32):
    traced.append(shape)
    return jnp.ones(shape, dtype)


@pytest.fixture
def layer():
    traced.clear()
    return Dense(2, kernel_init=ones)


def test_params_are_drawn_once_and_then_read(layer):
    x = jnp.float32([[1, 2, 3]])
    variables = layer.init(jax.random.key(0), x)
    assert traced == [(3, 2)]
    np.testing.assert_array_equal(layer.apply(variables, x), [[6, 6]])
    assert traced == [(3, 2)]


def test_params_of_another_shape_are_refused(layer):
    variables = layer.init(jax.random.key(0), jnp.ones((1, 3)))
    with pytest.raises(flax.errors.ScopeParamShapeError, match="kernel"):
        layer.apply(variables, jnp.ones((1, 4)))


def test_missing_params_are_named(layer):
    params = {"kernel": jnp.ones((3, 2))}
    with pytest.raises(flax.errors.ScopeParamNotFoundError, match="bias"):
        layer.apply({"params": params}, jnp.ones((1, 3)))
