"""ResNet encoder with bottleneck blocks and dilated last stages."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from ipixmatch_jax.models.conv import ConvNorm, max_pool, shrink

# Blocks per stage, and the width of the first stage before expansion.
VARIANTS = {
    "r50": ((3, 4, 6, 3), 64),
    "r101": ((3, 4, 23, 3), 64),
    # For CPUs: the same code, narrow and shallow.
    "tiny": ((1, 1, 1, 1), 16),
    # ResNet-50 up to conv4 (detection's "C4"): c3 is the last feature.
    "r50c4": ((3, 4, 6), 64),
}

# Stride and dilation of the four stages at each output stride.
_STRIDES = {16: (1, 2, 2, 1), 8: (1, 2, 1, 1)}
_DILATIONS = {16: (1, 1, 1, 2), 8: (1, 1, 2, 4)}

EXPANSION = 4


def stage_names(blocks: tuple[int, ...]) -> tuple[str, ...]:
    """stem, layer1 ...; none where no blocks mean another kind of network."""
    layers = tuple(f"layer{i + 1}" for i in range(len(blocks)))
    return ("stem", *layers) if blocks else ()


class Bottleneck(nn.Module):
    """1x1, 3x3 (stride and dilation here), 1x1 to 4 * width, plus shortcut."""

    width: int
    stride: int = 1
    dilation: int = 1
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(
        self, x: jax.Array, train: bool, sizes: jax.Array | None
    ) -> jax.Array:
        """Maps x to [B, ceil(H / stride), ceil(W / stride), 4 * width].

        `sizes` int32 [B, 2] or None are the true sizes of x.
        """
        out = self.width * EXPANSION
        small = shrink(sizes, self.stride)
        y = ConvNorm(self.width, dtype=self.dtype, name="conv1")(
            x, train, sizes
        )
        y = ConvNorm(
            self.width,
            3,
            self.stride,
            self.dilation,
            dtype=self.dtype,
            name="conv2",
        )(y, train, small)
        y = ConvNorm(out, relu=False, dtype=self.dtype, name="conv3")(
            y, train, small
        )
        if self.stride != 1 or x.shape[-1] != out:
            x = ConvNorm(
                out,
                stride=self.stride,
                relu=False,
                dtype=self.dtype,
                name="downsample",
            )(x, train, small)
        return nn.relu(x + y)


class ResNet(nn.Module):
    """ResNet-50/101 as in UniMatch v1.

    Attributes:
      blocks: bottlenecks per stage, of three or four stages.
      width: width of the first stage before its expansion by 4.
      stem: "deep" (three 3x3, UniMatch's) or "7x7" (torchvision's).
      output_stride: 16 or 8, of the last features.
      dtype: compute dtype.
      remat: keep each block's input alone for the gradient, and compute the
        rest of it a second time; the same variables and numbers.
      frozen: stages whose batch norms keep to their running statistics, and
        leave these alone, in training too; see freezing.py.
    """

    blocks: tuple[int, ...]
    width: int = 64
    stem: str = "deep"
    output_stride: int = 16
    dtype: jnp.dtype = jnp.float32
    remat: bool = False
    frozen: tuple[str, ...] = ()

    @nn.compact
    def __call__(
        self, x: jax.Array, train: bool, sizes: jax.Array | None = None
    ) -> tuple[jax.Array, ...]:
        """Encodes normalised images.

        Args:
          x: float [B, H, W, C], zero outside the true sizes.
          train: batch statistics instead of running ones.
          sizes: int32 [B, 2], true height and width, or None.

        Returns:
          (c1, c2, c3, c4) in `dtype`, at ceil(H / 4), ceil(H / 8),
          ceil(H / 16) and ceil(H / output_stride), channels width * 4,
          * 8, * 16, * 32 (c3 at 8 too when output_stride is 8). Three
          stages end with c3.
        """
        learns = [
            train and name not in self.frozen
            for name in stage_names(self.blocks)
        ]
        x = self._stem(x.astype(self.dtype), learns[0], sizes)
        sizes = shrink(shrink(sizes, 2), 2)
        features = []
        strides = _STRIDES[self.output_stride]
        dilations = _DILATIONS[self.output_stride]
        previous = 1
        # Of (self, x, train, sizes), train decides what is traced.
        block = Bottleneck
        if self.remat:
            block = nn.remat(Bottleneck, static_argnums=(2,))
        for stage, count in enumerate(self.blocks):
            for index in range(count):
                first = index == 0
                x = block(
                    self.width * 2**stage,
                    strides[stage] if first else 1,
                    # torchvision's rule: a dilated stage's first block
                    # still has the previous stage's dilation.
                    previous if first else dilations[stage],
                    dtype=self.dtype,
                    name=f"layer{stage + 1}_{index}",
                )(x, learns[stage + 1], sizes)
                if first:
                    sizes = shrink(sizes, strides[stage])
            previous = dilations[stage]
            features.append(x)
        return tuple(features)

    def _stem(self, x, train, sizes):
        half = shrink(sizes, 2)
        if self.stem == "7x7":
            layers = [(self.width, 7, 2)]
        else:
            layers = [(self.width, 3, 2), (self.width, 3, 1)]
            layers.append((2 * self.width, 3, 1))
        for index, (features, kernel, stride) in enumerate(layers):
            x = ConvNorm(
                features,
                kernel,
                stride,
                dtype=self.dtype,
                name=f"stem_{index + 1}",
            )(x, train, half)
        # Everything is >= 0 after ReLU, so the zeros outside the true size
        # do as well as torch's padding of minus infinity.
        return max_pool(x)
