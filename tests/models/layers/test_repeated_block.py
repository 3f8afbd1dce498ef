"""Blocks that an encoder repeats."""

import functools

import chex
import flax.linen as nn
import jax
import numpy as np
import pytest

from ipixmatch_jax.models.layers.repeated_block import repeated_block

X = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
traced = []


class Block(nn.Module):
    width: int

    @nn.compact
    def __call__(self, x, double):
        traced.append(self.width)
        x = x + nn.Dense(self.width)(x)
        return 2 * x if double else x


class Plain(nn.Module):
    remat: bool = False

    @nn.compact
    def __call__(self, x, double):
        for index in range(3):
            x = self.block()(4, name=f"block_{index}")(x, double)
        return x.sum()

    def block(self):
        return Block


class Repeated(Plain):
    def block(self):
        return repeated_block(
            Block,
            remat=self.remat,
            drawing=self.is_initializing(),
            static_argnums=(2,),
        )


def test_variables_are_those_of_plain_blocks():
    key = jax.random.key(5)
    expected = Plain().init(key, X, False)
    chex.assert_trees_all_equal(Repeated().init(key, X, False), expected)


@pytest.mark.parametrize("remat", [False, True])
@pytest.mark.parametrize("double", [False, True])
def test_gradients_are_those_of_plain_blocks(remat, double):
    variables = Plain().init(jax.random.key(5), X, double)
    found, expected = (
        jax.grad(functools.partial(network.apply, x=X, double=double))(
            variables
        )
        for network in (Repeated(remat), Plain())
    )
    chex.assert_trees_all_close(found, expected, rtol=1e-6)


def test_equal_blocks_are_traced_once():
    network = Repeated()
    variables = network.init(jax.random.key(5), X, False)
    jax.clear_caches()
    traced.clear()
    jax.eval_shape(lambda v: network.apply(v, X, False), variables)
    assert traced == [4]
