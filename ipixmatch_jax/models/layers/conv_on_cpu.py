"""A 3x3 convolution whose kernel gets its gradient fast on CPUs."""

import itertools

import jax
import jax.numpy as jnp
from jax import Array, lax

_LEAST_PIXELS = 1024
_LEAST_FEATURES = 128


def has_slow_gradient(shape: tuple[int, ...], features: int) -> bool:
    """Whether XLA:CPU takes long for the gradient of a 3x3 kernel.

    It computes this gradient as a convolution whose window is the whole image.
    For 6 images of 81x81 pixels, 304 channels and 256 features that took 6.9
    seconds of a processor (jax 0.10.2) where nine products take 0.8. With few
    pixels or features the convolution is level or ahead.

    Args:
      shape: [B, H, W, in] of the input.
      features: of the output.
    """
    _, h, w, _ = shape
    # An exported program may have a free height and width.
    if not (isinstance(h, int) and isinstance(w, int)):
        return False
    return h * w >= _LEAST_PIXELS and features >= _LEAST_FEATURES


@jax.custom_vjp
def convolve_3x3(x: Array, kernel: Array) -> Array:
    """A 3x3 convolution of stride 1, padded by 1.

    Its value is `lax.conv_general_dilated`'s on every platform, and so is its
    gradient but for that of the kernel on CPUs, which is one matrix product
    per tap of the kernel. Ours.

    Args:
      x: [B, H, W, in].
      kernel: [3, 3, in, out] of the same dtype.

    Returns:
      [B, H, W, out].
    """
    return _convolve(x, kernel)


def _convolve(x, kernel):
    return lax.conv_general_dilated(
        x,
        kernel,
        window_strides=(1, 1),
        padding=((1, 1), (1, 1)),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def _forward(x, kernel):
    return _convolve(x, kernel), (x, kernel)


def _backward(saved, g):
    x, kernel = saved

    def by_convolution(x, g):
        return jax.vjp(lambda kernel: _convolve(x, kernel), kernel)[1](g)[0]

    (slope,) = jax.vjp(lambda x: _convolve(x, kernel), x)[1](g)
    return slope, lax.platform_dependent(
        x, g, cpu=_by_products, default=by_convolution
    )


convolve_3x3.defvjp(_forward, _backward)


def _by_products(x, g):
    """The kernel's gradient [3, 3, in, out]: a matrix product per tap."""
    b, h, w, channels = x.shape
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    g = g.reshape(-1, g.shape[-1])
    taps = [
        lax.slice(x, (0, row, col, 0), (b, row + h, col + w, channels))
        for row, col in itertools.product(range(3), range(3))
    ]
    products = [tap.reshape(-1, channels).T @ g for tap in taps]
    return jnp.stack(products).reshape(3, 3, channels, -1)
