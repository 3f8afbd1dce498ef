"""Convolution with torch's symmetric padding, and its unit with batch norm."""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from ipixmatch_jax.models.layers.conv_by_platform import (
    convolve_by_platform,
    store_gradient,
)
from ipixmatch_jax.models.layers.convolve import convolve
from ipixmatch_jax.models.layers.layer import Layer
from ipixmatch_jax.models.layers.norm import BatchNorm

# Kaiming-normal fan-out (ResNet) and torch's default for a convolution,
# uniform within 1 / sqrt(fan_in) (DeepLab's head).
kaiming_fan_out = nn.initializers.variance_scaling(2.0, "fan_out", "normal")
torch_default = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")


class Conv(Layer):
    """A square convolution without bias, padded by dilation * (k // 2).

    The output of stride s has ceil(H / s) rows. Param `kernel` float32
    [k, k, in, out], used in `dtype`.
    """

    features: int
    kernel: int = 1
    stride: int = 1
    dilation: int = 1
    init: Callable = kaiming_fan_out
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps [B, H, W, in] to [B, ceil(H / s), ceil(W / s), out]."""
        shape = (self.kernel, self.kernel, x.shape[-1], self.features)
        kernel = self.param("kernel", self.init, shape).astype(self.dtype)
        x = x.astype(self.dtype)
        if self.kernel == 1:
            # A matrix product: as a convolution, the gradient of the kernel
            # takes XLA:CPU five times as long.
            x = x[:, :: self.stride, :: self.stride]
            return store_gradient(x @ kernel[0, 0])
        if not isinstance(x.shape[0], int):
            # An exported program with a free batch is for other runtimes, too.
            return convolve(x, kernel, self.stride, self.dilation)
        return convolve_by_platform(x, kernel, self.stride, self.dilation)


def max_pool(x: jax.Array) -> jax.Array:
    """3x3 maximum at stride 2, padding 1, of x [B, H, W, C] >= 0.

    It is computed as two separable maxima over strided slices, because the
    gradient of a windowed reduction takes XLA:CPU ten times as long.
    """
    return _max_of_three(_max_of_three(x, 1), 2)


def _max_of_three(x, axis):
    # Padding with zeros changes no maximum, since x is the output of a ReLU.
    pads = [(0, 0)] * x.ndim
    pads[axis] = (1, 1)
    x = jnp.pad(x, pads)
    count = (x.shape[axis] - 1) // 2
    left, middle, right = (
        lax.slice_in_dim(x, i, i + 2 * count - 1, 2, axis) for i in range(3)
    )
    # Of equal values the first gets the gradient, as in torch.
    x = jnp.where(left >= middle, left, middle)
    return jnp.where(x >= right, x, right)


class ConvNorm(nn.Module):
    """Convolution, batch norm and, unless `relu` is off, ReLU.

    Children `conv` and `bn`; the other attributes are `Conv`'s.
    """

    features: int
    kernel: int = 1
    stride: int = 1
    dilation: int = 1
    init: Callable = kaiming_fan_out
    relu: bool = True
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(
        self, x: jax.Array, train: bool, sizes: jax.Array | None = None
    ) -> jax.Array:
        """Applies the unit to x [B, H, W, in].

        Args:
          x: the input.
          train: batch statistics instead of running ones.
          sizes: int32 [B, 2], true height and width of each image in the
            unit's output, which is 0 outside; None: without padding.

        Returns:
          [B, ceil(H / stride), ceil(W / stride), features] in `dtype`.
        """
        x = Conv(
            self.features,
            self.kernel,
            self.stride,
            self.dilation,
            self.init,
            self.dtype,
            name="conv",
        )(x)
        x = BatchNorm(self.dtype, name="bn")(x, train)
        if self.relu:
            x = nn.relu(x)
        return zero_outside(x, sizes)


def zero_outside(x: jax.Array, sizes: jax.Array | None) -> jax.Array:
    """Zeroes x [B, H, W, C] outside sizes int32 [B, 2]; None: x itself."""
    if sizes is None:
        return x
    rows = jnp.arange(x.shape[1]) < sizes[:, :1]
    cols = jnp.arange(x.shape[2]) < sizes[:, 1:]
    inside = rows[:, :, None, None] & cols[:, None, :, None]
    return jnp.where(inside, x, jnp.zeros((), x.dtype))


def shrink_sizes(sizes: jax.Array | None, stride: int) -> jax.Array | None:
    """Computes the true sizes after a layer: ceil(size / stride)."""
    return None if sizes is None else (sizes + stride - 1) // stride
