"""A linear map of the last axis."""

import flax.linen as nn

from ipixmatch_jax.models.layers.layer import Layer


class Dense(Layer, nn.Dense):
    """flax's Dense, with its attributes and its params."""
