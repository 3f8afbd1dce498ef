"""Convolutions in the forms that CPUs and GPUs compute fastest.

The figures are processor seconds of one core, jax 0.10.2.
"""

import functools
import itertools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array, lax

from ipixmatch_jax.models.layers.barrier_on_cpu import barrier_on_cpu
from ipixmatch_jax.models.layers.convolve import convolve, share_read
from ipixmatch_jax.models.layers.taps import convolve_by_taps, pull_by_taps
from ipixmatch_jax.utils.by_platform import by_platform

# Value and gradients of 2048 channels to 256 by taps take 0.6 of a
# convolution's time where 0.66 of the reads are values, 0.73 where 0.71 are,
# and the same where 0.77 are. Kernels without dilation were not measured.
_MOST_READ = 0.72
# With taps below this share a step of r50c4 at crop 113 took 4.97 ms on an
# H200, and 5.55 without any (docs/benchmarks.md). No other share was timed.
_MOST_READ_ON_GPU = 0.5
_LEAST_PIXELS = 600
_LEAST_FEATURES = 128


def form_of(
    shape: tuple[int, ...],
    features: int,
    kernel: int = 3,
    stride: int = 1,
    dilation: int = 1,
) -> str:
    """Names the form that a CPU computes fastest.

    Args:
      shape: [B, H, W, in] of the input.
      features: of the output.
      kernel: its side.
      stride: of both axes.
      dilation: of both axes.

    Returns:
      "taps": value and gradients are a matrix product per tap; "products": the
      kernel's gradient is one per tap and image; "plain": neither.
    """
    if (kernel, stride) != (3, 1):
        return "plain"
    if dilation > 1:
        faster = share_read(shape, dilation) < _MOST_READ
        return "taps" if faster else "plain"
    return "products" if _has_slow_gradient(shape, features) else "plain"


@functools.partial(jax.jit, static_argnames=("stride", "dilation"))
def convolve_by_platform(
    x: Array, kernel: Array, stride: int, dilation: int
) -> Array:
    """`convolve`, in the form that suits the platform. Ours.

    CPUs take the form that `form_of` names. GPUs take taps where a dilated
    kernel reads more padding than values. Equal convolutions are traced once.

    Args:
      x: [B, H, W, in].
      kernel: [k, k, in, out] of the same dtype.
      stride: of both axes.
      dilation: of both axes.

    Returns:
      [B, ceil(H / stride), ceil(W / stride), out].
    """
    return _convolve(x, kernel, stride, dilation)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _convolve(x, kernel, stride, dilation):
    plain = functools.partial(convolve, stride=stride, dilation=dilation)
    taps = functools.partial(convolve_by_taps, dilation=dilation)
    forms = {}
    if _form(x, kernel, stride, dilation) == "taps":
        forms["cpu"] = functools.partial(taps, hide=lax.optimization_barrier)
    if _gpu_takes_taps(x, kernel, stride, dilation):
        forms |= {"cuda": taps, "rocm": taps}
    if not forms:
        return plain(x, kernel)
    return by_platform(x, kernel, default=plain, **forms)


def _forward(x, kernel, stride, dilation):
    return _convolve(x, kernel, stride, dilation), (x, kernel)


def _backward(stride, dilation, saved, slope):
    x, kernel = saved

    def plain(x, kernel, slope):
        function = functools.partial(convolve, stride=stride, dilation=dilation)
        return jax.vjp(function, x, kernel)[1](slope)

    taps = functools.partial(pull_by_taps, dilation=dilation)
    form = _form(x, kernel, stride, dilation)
    best: Callable = plain
    if form == "taps":
        best = functools.partial(taps, hide=lax.optimization_barrier)
    if form == "products" and jax.device_count() == 1:
        # Several share the images out, and a loop over these would gather them.
        best = _pull_by_image

    def on_cpu(*given):
        # Else XLA:CPU transposes or slices x in the forward pass and keeps it.
        return best(*lax.optimization_barrier(given))

    forms = {"cpu": on_cpu}
    if _gpu_takes_taps(x, kernel, stride, dilation):
        forms |= {"cuda": taps, "rocm": taps}
    return by_platform(x, kernel, slope, default=plain, **forms)


_convolve.defvjp(_forward, _backward)


def _form(x, kernel, stride, dilation):
    side, _, _, features = kernel.shape
    return form_of(x.shape, features, side, stride, dilation)


def _gpu_takes_taps(x, kernel, stride, dilation):
    if (len(kernel), stride) != (3, 1) or dilation == 1:
        return False
    return share_read(x.shape, dilation) < _MOST_READ_ON_GPU


@jax.custom_vjp
def store_gradient(x: Array) -> Array:
    """Returns x; on CPUs XLA computes its gradient once.

    Without it XLA:CPU computes the gradient of a batch norm again inside the
    transpose that a matrix product needs.
    """
    return x


def _store(_, slope):
    return (barrier_on_cpu(slope),)


store_gradient.defvjp(lambda x: (x, None), _store)


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
