"""The DPT head (Ranftl et al. 2021) as UniMatch V2 has it."""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from ipixmatch_jax.models.base import Encoder, Head
from ipixmatch_jax.models.layers.conv import Conv, torch_default
from ipixmatch_jax.models.layers.dense import Dense
from ipixmatch_jax.models.layers.initialisers import uniform_within
from ipixmatch_jax.models.layers.layer import Layer
from ipixmatch_jax.models.layers.resize import resize_align_corners
from ipixmatch_jax.models.layers.upsample import Upsample


class Size(NamedTuple):
    """Widths of a head.

    Attributes:
      levels: channels of the four maps before they are fused.
      features: channels of the fused maps.
    """

    levels: tuple[int, int, int, int]
    features: int


# By the size of the encoder: UniMatch V2's, and one for CPUs.
SIZES = {
    "small": Size((48, 96, 192, 384), 64),
    "base": Size((96, 192, 384, 768), 128),
    "large": Size((256, 512, 1024, 1024), 256),
    "giant": Size((1536, 1536, 1536, 1536), 384),
    "tiny": Size((8, 12, 16, 24), 16),
}


class DptHead(nn.Module):
    """Four feature maps to logits at half the finest map's stride.

    Maps of a plain vision transformer, all of one size, are first resampled
    by 4, 2, 1 and 1/2. Then each level is fused into the finer one, from the
    coarsest. Without batch norm, `train` changes nothing.

    Params: `project_1` .. `project_4`, `resample_1`, `resample_2`,
    `resample_4`, `level_1` .. `level_4`, `fuse_1` .. `fuse_4`, `output`,
    `classifier`.

    Attributes:
      num_classes: channels of the logits.
      levels, features: see `Size`.
      pyramid: the maps are of falling size already, as a ResNet's four
        stages are, and are not resampled (the levels without resampling of
        the hybrid in DPT's paper).
      dtype: compute dtype; params and logits are float32.
    """

    num_classes: int
    levels: tuple[int, int, int, int]
    features: int
    pyramid: bool = False
    dtype: jnp.dtype = jnp.float32

    @property
    def exact_when_padded(self) -> bool:
        """Never: convolutions carry the padding into the image."""
        return False

    @property
    def untrained(self) -> tuple[str, ...]:
        """Params that no output depends on, which an optimiser must keep."""
        return ("fuse_4/unit_1",)

    def __call__(
        self, features: tuple[jax.Array, ...], train: bool
    ) -> jax.Array:
        """Maps features to logits, before they are brought to the image's size.

        Args:
          features: four maps [B, h_i, w_i, c_i], the finest first.
          train: changes nothing.

        Returns:
          float32 [B, 2 h, 2 w, num_classes] of the finest level h x w, which
          is four times the features' size, or the first map's of a pyramid.
        """
        return self.with_features(features, train)[0]

    @nn.compact
    def with_features(
        self, features: tuple[jax.Array, ...], train: bool
    ) -> tuple[jax.Array, jax.Array]:
        """The logits, and the fused map before the last two convolutions."""
        maps = []
        for level, (x, width) in enumerate(
            zip(features, self.levels, strict=True), start=1
        ):
            x = _pointwise(x, width, self.dtype, f"project_{level}")
            if not self.pyramid:
                x = self._resample(x, level)
            maps.append(self._conv(self.features, f"level_{level}", False)(x))
        fused = self._fuse(None, maps, 4)
        for level in (3, 2, 1):
            fused = self._fuse(fused, maps, level)
        x = nn.relu(self._conv(self.features, "output")(fused))
        x = _pointwise(x, self.num_classes, self.dtype, "classifier")
        return x.astype(jnp.float32), fused

    def _fuse(self, coarser, maps, level):
        finer = maps[level - 2].shape[1:3] if level > 1 else None
        fusion = Fusion(self.dtype, name=f"fuse_{level}")
        return fusion(coarser, maps[level - 1], finer)

    def _resample(self, x, level):
        width, name = x.shape[-1], f"resample_{level}"
        if level == 3:
            return x
        if level == 4:
            return self._conv(width, name, stride=2)(x)
        return Upsample(4 if level == 1 else 2, self.dtype, name=name)(x)

    def _conv(self, features, name, bias=True, stride=1):
        return Conv3x3(features, bias, stride, self.dtype, name=name)


class Fusion(nn.Module):
    """Adds a level to the coarser sum, refines it and enlarges it.

    Children `unit_1` (on the added level), `unit_2` (on the sum) and `out`.
    The coarsest level has nothing to be added to; its `unit_1` is unused and
    is here so that UniMatch V2's files fit both ways.
    """

    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(
        self,
        coarser: jax.Array | None,
        level: jax.Array,
        size: tuple[int, int] | None,
    ) -> jax.Array:
        """Maps level [B, h, w, F] (and coarser, alike) to [B, *size, F].

        `size` None stands for twice the level's.
        """
        unit_1 = ResidualUnit(self.dtype, name="unit_1")
        if coarser is not None:
            x = coarser + unit_1(level)
        else:
            x = level
            if self.is_initializing():
                unit_1(level)
        x = ResidualUnit(self.dtype, name="unit_2")(x)
        size = size or (2 * x.shape[1], 2 * x.shape[2])
        # V2 enlarges first. The order does not matter, since a 1x1
        # convolution and an interpolation act on different axes and the
        # latter's weights sum to 1; this one has a quarter of the work.
        x = _pointwise(x, x.shape[-1], self.dtype, "out")
        return resize_align_corners(x, size).astype(self.dtype)


class ResidualUnit(nn.Module):
    """x + conv(relu(conv(relu(x)))); children `conv1` and `conv2`."""

    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps [B, h, w, F] to the same shape, in `dtype`."""
        y = x
        for name in ("conv1", "conv2"):
            y = Conv3x3(x.shape[-1], dtype=self.dtype, name=name)(nn.relu(y))
        return x + y


class Conv3x3(Layer):
    """A 3x3 convolution, padded by 1; child `conv`, param `bias` [features]."""

    features: int
    bias: bool = True
    stride: int = 1
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps [B, h, w, C] to [B, ceil(h / s), ceil(w / s), features]."""
        y = Conv(
            self.features,
            3,
            self.stride,
            init=torch_default,
            dtype=self.dtype,
            name="conv",
        )(x)
        if not self.bias:
            return y
        init = uniform_within(9 * x.shape[-1])
        bias = self.param("bias", init, (self.features,))
        return y + bias.astype(self.dtype)


def _pointwise(x, features, dtype, name):
    """A 1x1 convolution with a bias, as a matrix product."""
    init = uniform_within(x.shape[-1])
    dense = Dense(
        features, dtype=dtype, kernel_init=init, bias_init=init, name=name
    )
    return dense(x)


# Sizes by the width of a vision transformer, and of a ResNet's first stage.
_TRANSFORMERS = {
    48: "tiny",
    384: "small",
    768: "base",
    1024: "large",
    1536: "giant",
}
_RESNETS = {16: "tiny", 64: "base"}


def build_dpt(
    encoder: Encoder, *, num_classes: int, dtype: jnp.dtype = jnp.float32
) -> DptHead:
    """The head for an encoder: resampling for maps of one size, else none.

    A transformer has UniMatch V2's head of its size. A ResNet has that of
    the "base" model (ours), and so has an encoder of another width.

    Raises:
      ValueError: the encoder does not have four maps.
    """
    strides = encoder.strides
    if len(strides) != 4:
        raise ValueError(
            "The head dpt needs a backbone with four feature maps, and this "
            f"one has {len(strides)}."
        )
    pyramid = len(set(strides)) > 1
    known = _RESNETS if pyramid else _TRANSFORMERS
    size = known.get(getattr(encoder, "width", 0), "base")
    return DptHead(num_classes, *SIZES[size], pyramid=pyramid, dtype=dtype)


HEAD = Head(build_dpt)
