"""DeepLabV3+: ASPP and decoder over a ResNet."""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from ipixmatch_jax.models.conv import (
    ConvNorm,
    shrink,
    torch_default,
    zero_outside,
)
from ipixmatch_jax.models.resize import resize_align_corners
from ipixmatch_jax.models.resnet import ResNet

# Dilations of the ASPP's three 3x3 branches at each output stride.
_RATES = {16: (6, 12, 18), 8: (12, 24, 36)}


class Head(nn.Module):
    """ASPP on c4, decoder with c1, classifier (UniMatch v1).

    c4 is the last of the features, whichever that is. The width is an eighth
    of its channels: 256 on a ResNet-50. No dropout.
    """

    num_classes: int
    output_stride: int = 16
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(
        self,
        c1: jax.Array,
        c4: jax.Array,
        train: bool,
        sizes: jax.Array | None = None,
    ) -> jax.Array:
        """Maps c1 and c4 to logits float32 [B, h1, w1, num_classes].

        `sizes` int32 [B, 2] or None are the true sizes of the images.
        """
        sizes1 = shrink(sizes, 4)
        sizes4 = shrink(sizes1, self.output_stride // 4)
        width = c4.shape[-1] // 8
        deep = self._aspp(c4, width, train, sizes4)
        deep = resize_align_corners(deep, c1.shape[1:3], sizes4, sizes1)
        low = self._unit(48, "reduce")(c1, train, sizes1)
        x = jnp.concatenate([low, deep.astype(self.dtype)], axis=-1)
        x = self._unit(width, "fuse_1", 3)(x, train, sizes1)
        x = self._unit(width, "fuse_2", 3)(x, train, sizes1)
        x = nn.Dense(
            self.num_classes,
            dtype=self.dtype,
            kernel_init=torch_default,
            bias_init=_uniform_bias(width),
            name="classifier",
        )(x)
        return zero_outside(x.astype(jnp.float32), sizes1)

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


class DeepLabV3Plus(nn.Module):
    """DeepLabV3+ (UniMatch v1); params `backbone` and `head`.

    Attributes:
      num_classes: channels of the logits.
      blocks, width, stem, output_stride, remat, frozen: the backbone, see
        `ResNet`.
      dtype: compute dtype; params, statistics and logits are float32.
      mean, std: one number per channel of the images on [0, 1], with which
        callers normalise them; None: ImageNet's three.
    """

    num_classes: int
    blocks: tuple[int, ...]
    width: int = 64
    stem: str = "deep"
    output_stride: int = 16
    dtype: jnp.dtype = jnp.float32
    remat: bool = False
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    frozen: tuple[str, ...] = ()

    @property
    def channels(self) -> int:
        """How many channels C the images have."""
        return 3 if self.mean is None else len(self.mean)

    def setup(self):
        """Names the children: their params are the top-level keys."""
        self.backbone = ResNet(
            self.blocks,
            self.width,
            self.stem,
            self.output_stride,
            self.dtype,
            self.remat,
            self.frozen,
        )
        self.head = Head(self.num_classes, self.output_stride, self.dtype)

    def encode(
        self,
        images: jax.Array,
        train: bool,
        sizes: jax.Array | None = None,
    ) -> tuple[jax.Array, ...]:
        """Features (c1, c2, c3, c4) of images [B, H, W, C], see `ResNet`."""
        if train and sizes is not None:
            raise ValueError(
                "sizes is for evaluation: batch statistics would count the "
                "padding; pass train=False or sizes=None"
            )
        return self.backbone(zero_outside(images, sizes), train, sizes)

    def decode(
        self,
        features: tuple[jax.Array, ...],
        size: tuple[int, int],
        train: bool,
        sizes: jax.Array | None = None,
    ) -> jax.Array:
        """Logits float32 [B, *size, num_classes] of `encode`'s features."""
        logits = self.head(features[0], features[-1], train, sizes)
        return resize_align_corners(logits, size, shrink(sizes, 4), sizes)

    def with_perturbed(
        self, images: jax.Array, train: bool, perturb: Callable
    ) -> tuple[jax.Array, jax.Array]:
        """Logits of the images and of their perturbed features (UniMatch v1).

        Args:
          images: normalised, float [B, H, W, C].
          train: see `__call__`; the decoder's batch statistics are over clean
            and perturbed maps together.
          perturb: features (c1, c2, c3, c4) -> the same, changed.

        Returns:
          clean and perturbed logits, each float32 [B, H, W, num_classes].
        """
        clean = self.encode(images, train)
        # Taking turns leaves each image on its device; see methods/passes.py.
        both = jax.tree.map(
            lambda a, b: jnp.stack([a, b], 1).reshape(-1, *a.shape[1:]),
            clean,
            perturb(clean),
        )
        logits = self.decode(both, images.shape[1:3], train)
        logits = logits.reshape(-1, 2, *logits.shape[1:])
        return logits[:, 0], logits[:, 1]

    def __call__(
        self,
        images: jax.Array,
        train: bool,
        sizes: jax.Array | None = None,
    ) -> jax.Array:
        """Logits at the images' own size.

        Args:
          images: normalised, float [B, H, W, C].
          train: batch statistics instead of running ones; `batch_stats`
            must then be mutable.
          sizes: int32 [B, 2], true height and width of each image inside
            the padded array. The logits inside are those of the unpadded
            image, 0 outside. A size of 0 marks an empty slot. None: no
            padding, at no cost.

        Returns:
          float32 [B, H, W, num_classes].

        Raises:
          ValueError: if both `train` and `sizes` are given.
        """
        features = self.encode(images, train, sizes)
        return self.decode(features, images.shape[1:3], train, sizes)


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
