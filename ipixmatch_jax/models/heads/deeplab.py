"""The head of DeepLabV3+: ASPP and decoder."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from ipixmatch_jax.models.base import Encoder, Head
from ipixmatch_jax.models.layers.conv import (
    ConvNorm,
    shrink_sizes,
    torch_default,
    zero_outside,
)
from ipixmatch_jax.models.layers.dense import Dense
from ipixmatch_jax.models.layers.resize import resize_align_corners

_FIRST_STRIDE = 4

# Dilations of the ASPP's three 3x3 branches at each output stride.
_RATES = {16: (6, 12, 18), 8: (12, 24, 36)}


class DeepLabV3Plus(nn.Module):
    """ASPP on the last map, decoder with the first, classifier (UniMatch v1).

    The width is an eighth of the last map's channels: 256 on a ResNet-50. No
    dropout. The maps in between are not used.

    Attributes:
      num_classes: channels of the logits.
      output_stride: stride of the last map, 16 or 8; the first map's is 4.
      dtype: compute dtype; params, statistics and logits are float32.
    """

    num_classes: int
    output_stride: int = 16
    dtype: jnp.dtype = jnp.float32

    @property
    def exact_when_padded(self) -> bool:
        """Every layer keeps the padding at 0; see models/base.py."""
        return True

    def __call__(
        self,
        features: tuple[jax.Array, ...],
        train: bool,
        sizes: jax.Array | None = None,
    ) -> jax.Array:
        """Maps features to logits float32 [B, h, w, K] of the first map's size.

        `sizes` int32 [B, 2] or None are the true sizes of the images.
        """
        return self.with_features(features, train, sizes)[0]

    @nn.compact
    def with_features(
        self,
        features: tuple[jax.Array, ...],
        train: bool,
        sizes: jax.Array | None = None,
    ) -> tuple[jax.Array, jax.Array]:
        """The logits, and the ASPP's output at the last map's size."""
        c1, c4 = features[0], features[-1]
        sizes1 = shrink_sizes(sizes, _FIRST_STRIDE)
        sizes4 = shrink_sizes(sizes1, self.output_stride // _FIRST_STRIDE)
        width = c4.shape[-1] // 8
        aspp = self._aspp(c4, width, train, sizes4)
        size_hw = c1.shape[1], c1.shape[2]
        deep = resize_align_corners(aspp, size_hw, sizes4, sizes1)
        low = self._unit(48, "reduce")(c1, train, sizes1)
        x = jnp.concatenate([low, deep.astype(self.dtype)], axis=-1)
        x = self._unit(width, "fuse_1", 3)(x, train, sizes1)
        x = self._unit(width, "fuse_2", 3)(x, train, sizes1)
        x = Dense(
            self.num_classes,
            dtype=self.dtype,
            kernel_init=torch_default,
            bias_init=_uniform_bias(width),
            name="classifier",
        )(x)
        return zero_outside(x.astype(jnp.float32), sizes1), aspp

    def _aspp(self, x, width, train, sizes):
        branches = [self._unit(width, "aspp_1")(x, train, sizes)]
        for index, rate in enumerate(_RATES[self.output_stride]):
            unit = self._unit(width, f"aspp_{index + 2}", 3, rate)
            branches.append(unit(x, train, sizes))
        pooled = self._unit(width, "aspp_pool")(_mean(x, sizes), train)
        pooled = jnp.broadcast_to(pooled, branches[0].shape)
        branches.append(zero_outside(pooled, sizes))
        x = jnp.concatenate(branches, axis=-1)
        return self._unit(width, "project")(x, train, sizes)

    def _unit(self, features, name, kernel=1, dilation=1):
        return ConvNorm(
            features,
            kernel,
            dilation=dilation,
            init=torch_default,
            dtype=self.dtype,
            name=name,
        )


def _mean(x, sizes):
    """Mean over the true size, [B, 1, 1, C]; x is zero outside it."""
    total = x.astype(jnp.float32).sum((1, 2), keepdims=True)
    if sizes is None:
        return total / (x.shape[1] * x.shape[2])
    count = jnp.maximum(sizes[:, 0] * sizes[:, 1], 1)
    return total / count[:, None, None, None]


def _uniform_bias(fan_in):
    bound = fan_in**-0.5

    def init(key, shape, dtype=jnp.float32):
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return init


def build_deeplab(
    encoder: Encoder, *, num_classes: int, dtype: jnp.dtype = jnp.float32
) -> DeepLabV3Plus:
    """The head for an encoder.

    Raises:
      ValueError: the encoder's maps are at other strides than it needs.
    """
    first, last = encoder.strides[0], encoder.strides[-1]
    if first != _FIRST_STRIDE or last not in _RATES:
        raise ValueError(
            "The head deeplabv3plus needs a backbone whose first feature map "
            f"has stride {_FIRST_STRIDE} and whose last one has stride "
            f"{' or '.join(map(str, _RATES))}; this backbone's strides are "
            f"{', '.join(map(str, encoder.strides))}."
        )
    return DeepLabV3Plus(num_classes, last, dtype)


HEAD = Head(build_deeplab)
