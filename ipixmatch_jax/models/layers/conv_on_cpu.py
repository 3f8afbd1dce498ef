"""Convolutions at stride 1 in the forms that CPUs compute fastest.

The figures are processor seconds of one core, jax 0.10.2.
"""

import functools
import itertools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array, lax

from ipixmatch_jax.models.layers.convolve import (
    convolve,
    convolve_by_taps,
    share_read,
)

# Value and gradients of 2048 channels to 256 by taps take 0.6 of a
# convolution's time where 0.66 of the reads are values, 0.73 where 0.71 are,
# and the same where 0.77 are. Kernels without dilation were not measured.
_MOST_READ = 0.72
_LEAST_PIXELS = 600
_LEAST_FEATURES = 128


def has_faster_form(
    shape: tuple[int, ...], features: int, dilation: int
) -> bool:
    """Whether `convolve_3x3` is faster on a CPU than `convolve`.

    Args:
      shape: [B, H, W, in] of the input.
      features: of the output.
      dilation: of both axes.
    """
    if not isinstance(shape[0], int):
        # An exported program with a free batch is for other runtimes, too.
        return False
    return _takes_taps(shape, dilation) or (
        dilation == 1 and _has_slow_gradient(shape, features)
    )


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def convolve_3x3(x: Array, kernel: Array, dilation: int) -> Array:
    """`convolve` of a 3x3 kernel at stride 1; CPUs compute it in other forms.

    A dilated one is a matrix product per tap. Without dilation the value and
    the gradient of x are those of `convolve`, and the kernel's gradient is a
    matrix product per tap and image. Ours.

    Args:
      x: [B, H, W, in].
      kernel: [3, 3, in, out] of the same dtype.
      dilation: of both axes.

    Returns:
      [B, H, W, out].
    """
    plain = functools.partial(convolve, dilation=dilation)
    if not _takes_taps(x.shape, dilation):
        return plain(x, kernel)
    taps = functools.partial(convolve_by_taps, dilation=dilation)
    return lax.platform_dependent(x, kernel, cpu=taps, default=plain)


def _forward(x, kernel, dilation):
    return convolve_3x3(x, kernel, dilation), (x, kernel)


def _backward(dilation, saved, slope):
    def pull(function, x, kernel, slope):
        return jax.vjp(function, x, kernel)[1](slope)

    plain = functools.partial(convolve, dilation=dilation)
    default = functools.partial(pull, plain)
    cpu: Callable = default
    if _takes_taps(saved[0].shape, dilation):
        taps = functools.partial(convolve_by_taps, dilation=dilation)
        cpu = functools.partial(pull, taps)
    elif jax.device_count() == 1:
        # Several share the images out, and a loop over these would gather them.
        cpu = _pull_by_image
    return lax.platform_dependent(*saved, slope, cpu=cpu, default=default)


convolve_3x3.defvjp(_forward, _backward)


@jax.custom_vjp
def store_gradient(x: Array) -> Array:
    """Returns x; on CPUs XLA computes its gradient once.

    Without it XLA:CPU computes the gradient of a batch norm again inside the
    transpose that a matrix product needs.
    """
    return x


def _store(_, slope):
    stored = lax.platform_dependent(
        slope, cpu=lax.optimization_barrier, default=lambda slope: slope
    )
    return (stored,)


store_gradient.defvjp(lambda x: (x, None), _store)


def _takes_taps(shape, dilation):
    return dilation > 1 and share_read(shape, dilation) < _MOST_READ


def _has_slow_gradient(shape, features):
    """Whether XLA:CPU takes long for the gradient of the kernel.

    It computes this gradient as a convolution whose window is the whole image.
    For 8 images of 81x81 pixels, 304 channels and 256 features that takes 7.0
    seconds and 0.9 by products. At 25x25 the products take half of its time; at
    21x21 both take the same, and so they do with 64 features.
    """
    _, h, w, _ = shape
    return h * w >= _LEAST_PIXELS and features >= _LEAST_FEATURES


def _pull_by_image(x, kernel, slope):
    (to_x,) = jax.vjp(lambda x: convolve(x, kernel), x)[1](slope)
    return to_x, _kernel_gradient(x, slope)


def _kernel_gradient(x, slope):
    """The kernel's gradient [3, 3, in, out]: a matrix product per tap.

    One image at a time, so that the shifted copies of x take little memory and
    the products read them from the processor's cache.
    """
    channels, features = x.shape[-1], slope.shape[-1]

    def add_image(total, image):
        x, slope = image
        h, w, _ = slope.shape
        x = jnp.pad(x, ((1, 1), (1, 1), (0, 0)))
        slope = slope.reshape(-1, features)
        taps = [
            lax.slice(x, (row, col, 0), (row + h, col + w, channels))
            for row, col in itertools.product(range(3), range(3))
        ]
        products = [
            jnp.matmul(
                tap.reshape(-1, channels).T,
                slope,
                preferred_element_type=jnp.float32,
            )
            for tap in taps
        ]
        return total + jnp.stack(products), None

    start = jnp.zeros((9, channels, features), jnp.float32)
    total, _ = lax.scan(add_image, start, (x, slope))
    return total.reshape(3, 3, channels, features).astype(x.dtype)
