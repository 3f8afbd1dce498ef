"""Shallow, narrow vision transformers with weights that all matter."""

import functools

import jax
import numpy as np

from ipixmatch_jax.models.backbones.vision_transformer import (
    VisionTransformer,
)

VARIANTS = {
    "plain": {},
    "registers": {"registers": 4, "position": "learnt_antialiased"},
    "gated": {"gated": True},
    "rotary": {"registers": 4, "position": "rotary", "key_bias": False},
}


def shallow(**settings):
    defaults = {"width": 48, "depth": 4, "heads": 3, "taps": (0, 1, 2, 3)}
    return VisionTransformer(**defaults, patch=4, grid=5, **settings)


def images(batch=2, height=12, width=20, channels=3):
    rng = np.random.default_rng(1)
    x = rng.standard_normal((batch, height, width, channels))
    return x.astype(np.float32)


@functools.cache
def params(variant):
    """Params of a variant, none of them at its neutral starting value."""
    network = shallow(**VARIANTS[variant])
    like = jax.eval_shape(
        lambda key: network.init(key, images(), False), jax.random.key(0)
    )
    rng = np.random.default_rng(2)

    def fill(leaf):
        scale = leaf.shape[0] ** -0.5 if leaf.ndim == 2 else 0.3
        value = scale * rng.standard_normal(leaf.shape) + (leaf.ndim == 1)
        return value.astype(np.float32)

    return jax.tree.map(fill, like)
