"""Convolutions and pooling against NumPy float64; initial values."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ipixmatch_jax.models.layers import conv
from ipixmatch_jax.models.layers.convolve import convolve


def _slow(x, kernel, stride, dilation):
    """float64 convolution with torch's symmetric zero padding."""
    k = kernel.shape[0]
    pad = dilation * (k // 2)
    x = np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    rows = (x.shape[1] - dilation * (k - 1) - 1) // stride + 1
    cols = (x.shape[2] - dilation * (k - 1) - 1) // stride + 1
    out = 0.0
    for a, b in itertools.product(range(k), range(k)):
        top, left = a * dilation, b * dilation
        part = x[
            :,
            top : top + (rows - 1) * stride + 1 : stride,
            left : left + (cols - 1) * stride + 1 : stride,
        ]
        out = out + part @ kernel[a, b]
    return out


CASES = [
    # size, kernel, stride, dilation
    ((9, 8), 1, 1, 1),
    ((9, 8), 1, 2, 1),
    ((9, 8), 3, 1, 1),
    ((9, 8), 3, 2, 1),
    ((9, 8), 3, 1, 2),
    ((15, 12), 7, 2, 1),
    # Here some, most and all outer taps of the kernel read only padding.
    ((13, 11), 3, 1, 6),
    ((13, 11), 3, 1, 12),
    ((13, 11), 3, 1, 18),
]


@pytest.mark.parametrize("form", ["layer", "convolve"])
@pytest.mark.parametrize(("size", "k", "stride", "dilation"), CASES)
def test_values_and_gradients_equal_the_definition(
    size, k, stride, dilation, form
):
    rng = np.random.default_rng(0)
    x, dx = rng.standard_normal((2, 2, *size, 3))
    kernel, dkernel = rng.standard_normal((2, k, k, 3, 4))
    module = conv.Conv(4, k, stride, dilation)

    @jax.jit
    def apply(x, kernel):
        if form == "convolve":  # what is not taken apart for a platform
            return convolve(x, kernel, stride, dilation)
        return module.apply({"params": {"kernel": kernel}}, x)

    x32, kernel32 = np.float32(x), np.float32(kernel)
    expected = _slow(x, kernel, stride, dilation)
    np.testing.assert_allclose(apply(x32, kernel32), expected, atol=1e-4)

    # The convolution is linear in either argument, so the gradients' inner
    # products with any direction are known.
    cotangent = rng.standard_normal(expected.shape)

    @functools.partial(jax.grad, argnums=(0, 1))
    def gradients(x, kernel):
        return jnp.vdot(apply(x, kernel), np.float32(cotangent))

    grads = jax.jit(gradients)(x32, kernel32)
    for grad, direction, moved in (
        (grads[0], dx, _slow(dx, kernel, stride, dilation)),
        (grads[1], dkernel, _slow(x, dkernel, stride, dilation)),
    ):
        np.testing.assert_allclose(
            np.vdot(np.float64(grad), direction),
            np.vdot(cotangent, moved),
            rtol=1e-4,
            atol=1e-3,
        )


@pytest.mark.parametrize(
    ("size", "dilation", "read"),
    [((8, 8), 6, (3, 3)), ((13, 11), 12, (3, 1)), ((8, 8), 12, (1, 1))],
)
def test_taps_that_read_only_padding_are_left_out(size, dilation, read):
    x, kernel = jnp.zeros((2, *size, 3)), jnp.zeros((3, 3, 3, 4))

    def run(x, kernel):
        return convolve(x, kernel, dilation=dilation)

    text = jax.jit(run).lower(x, kernel).as_text()
    (line,) = (x for x in text.splitlines() if "stablehlo.convolution" in x)
    assert f"tensor<{read[0]}x{read[1]}x3x4xf32>" in line


@pytest.mark.parametrize("size", [(8, 9), (7, 12), (1, 2)])
def test_max_pool_equals_the_definition(size):
    x = np.random.default_rng(1).uniform(0, 1, (2, *size, 3))
    x = np.float32(x)
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    rows, cols = -(-size[0] // 2), -(-size[1] // 2)
    expected = [
        [
            padded[:, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3].max((1, 2))
            for j in range(cols)
        ]
        for i in range(rows)
    ]
    expected = np.transpose(expected, (2, 0, 1, 3))
    np.testing.assert_array_equal(jax.jit(conv.max_pool)(x), expected)


def test_max_pool_gradient_goes_to_one_maximum():
    x = jnp.zeros((1, 5, 5, 1)).at[0, 1, 1:4].set(2.0)
    grad = jax.jit(jax.grad(lambda x: conv.max_pool(x)[0, 1, 1, 0]))(x)
    expected = np.zeros((1, 5, 5, 1))
    expected[0, 1, 1] = 1.0  # the first of three equal values
    np.testing.assert_array_equal(grad, expected)


def test_initial_values_are_kaiming_fan_out_and_torchs_default():
    key = jax.random.key(0)
    backbone = conv.kaiming_fan_out(key, (3, 3, 64, 128), jnp.float32)
    np.testing.assert_allclose(
        backbone.std(), np.sqrt(2 / (9 * 128)), rtol=0.02
    )
    head = conv.torch_default(key, (3, 3, 64, 128), jnp.float32)
    bound = 1 / np.sqrt(9 * 64)
    assert 0.999 * bound < np.abs(head).max() <= bound
    np.testing.assert_allclose(head.std(), bound / np.sqrt(3), rtol=0.02)
