"""A network that compiles in a few seconds, for tests of everything else."""

import flax.linen as nn
import jax.numpy as jnp

from ipixmatch_jax.models.base import Backbone, Head
from ipixmatch_jax.models.layers.conv import (
    ConvNorm,
    shrink_sizes,
    zero_outside,
)
from ipixmatch_jax.models.layers.resize import resize_align_corners
from ipixmatch_jax.models.registry import BACKBONES, HEADS

NAME = "two_convolutions"


class Encoder(nn.Module):
    """Two 3x3 convolutions; see models/base.py."""

    dtype: jnp.dtype = jnp.float32

    strides = (4, 16)
    side_multiple = 1
    exact_when_padded = True

    @nn.compact
    def __call__(self, x, train, sizes=None):
        features = []
        x = x.astype(self.dtype)
        for i in range(2):
            sizes = shrink_sizes(sizes, 4)
            conv = ConvNorm(
                16 * (i + 1), 3, 4, dtype=self.dtype, name=f"conv{i + 1}"
            )
            x = conv(x, train, sizes)
            features.append(x)
        return tuple(features)


class Scores(nn.Module):
    """A matrix product per map; see models/base.py."""

    num_classes: int
    dtype: jnp.dtype = jnp.float32

    exact_when_padded = True

    @nn.compact
    def __call__(self, features, train, sizes=None):
        fine, coarse = (
            nn.Dense(self.num_classes, dtype=self.dtype, name=name)(x)
            for x, name in zip(features, ("fine", "coarse"), strict=True)
        )
        fine_sizes = shrink_sizes(sizes, 4)
        coarse_sizes = shrink_sizes(fine_sizes, 4)
        coarse = resize_align_corners(
            zero_outside(coarse, coarse_sizes),
            fine.shape[1:3],
            coarse_sizes,
            fine_sizes,
        )
        return coarse + zero_outside(fine, fine_sizes).astype(jnp.float32)


def build_head(encoder, *, num_classes, dtype):
    return Scores(num_classes, dtype)


BACKBONES.register(
    NAME,
    Backbone(
        build=Encoder,
        head=NAME,
        stages={"conv1": "conv1/", "conv2": "conv2/"},
        for_cpus=True,
    ),
)
HEADS.register(NAME, Head(build_head))
