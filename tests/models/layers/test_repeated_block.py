"""Blocks that an encoder repeats."""

import functools

import chex
import flax.linen as nn
import jax
import numpy as np
import pytest

from ipixmatch_jax.models.backbones import resnet, vision_transformer
from ipixmatch_jax.models.layers import transformer_block
from ipixmatch_jax.models.layers.layer_norm import layer_norm
from ipixmatch_jax.models.layers.repeated_block import repeated_block

SMALL = {
    "width": 8,
    "depth": 4,
    "heads": 2,
    "taps": (0, 1, 2, 3),
    "patch": 14,
    "grid": 2,
}
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
    traced.clear()
    # No other test has this shape.
    jax.eval_shape(lambda v: network.apply(v, X[:2], False), variables)
    assert traced == [4]


@pytest.mark.parametrize(
    ("file", "encoder"),
    [
        (resnet, resnet.ResNet((2,), 4)),
        (vision_transformer, vision_transformer.VisionTransformer(**SMALL)),
    ],
    ids=["resnet", "transformer"],
)
def test_encoders_draw_what_plain_blocks_draw(monkeypatch, file, encoder):
    images = np.ones((1, 28, 28, 3), np.float32)
    init = functools.partial(encoder.init, train=False)
    drawn = jax.jit(lambda key: init(key, images))(jax.random.key(5))
    monkeypatch.setattr(file, "repeated_block", lambda block, **_: block)
    expected = jax.jit(lambda key: init(key, images))(jax.random.key(5))
    chex.assert_trees_all_equal(drawn, expected)


def test_a_transformer_traces_its_block_once(monkeypatch):
    calls = []

    def counted(*given):
        calls.append(given)
        return layer_norm(*given)

    monkeypatch.setattr(transformer_block, "layer_norm", counted)
    # No other test has this epsilon.
    encoder = vision_transformer.VisionTransformer(**SMALL, epsilon=3e-6)
    images = np.ones((1, 28, 28, 3), np.float32)
    key = jax.random.key(5)
    variables = jax.eval_shape(lambda: encoder.init(key, images, False))
    calls.clear()
    jax.eval_shape(lambda v: encoder.apply(v, images, False), variables)
    assert len(calls) == 2  # a block has two norms
