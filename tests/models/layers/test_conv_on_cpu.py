"""The kernel's gradient by matrix products against float64 sums."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ipixmatch_jax.models.layers import conv, conv_on_cpu


def kernel_gradient(x, g):
    """float64 gradient [3, 3, in, out] of a 3x3 kernel, a tap at a time."""
    _, h, w, _ = x.shape
    x = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    result = np.empty((3, 3, x.shape[-1], g.shape[-1]))
    for a, b in itertools.product(range(3), range(3)):
        tap = x[:, a : a + h, b : b + w]
        result[a, b] = np.einsum("bhwi,bhwo->io", tap, g, optimize=True)
    return result


def test_value_and_gradients_of_a_layer_that_takes_the_products():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 32, 33, 5))
    g = rng.standard_normal((2, 32, 33, 128))
    kernel = jnp.float32(rng.standard_normal((3, 3, 5, 128)))
    assert conv_on_cpu.has_slow_gradient(x.shape, 128)
    layer = conv.Conv(128, 3)

    def apply(x, kernel):
        return layer.apply({"params": {"kernel": kernel}}, x)

    def plain(x, kernel):
        return jax.lax.conv_general_dilated(
            *(x, kernel, (1, 1), ((1, 1), (1, 1))),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )

    def outcome(function):
        @jax.jit
        def run(x, kernel, g):
            value, pull = jax.vjp(function, x, kernel)
            return value, *pull(g)

        return run(jnp.float32(x), kernel, jnp.float32(g))

    value, to_x, to_kernel = outcome(apply)
    expected_value, expected_to_x, _ = outcome(plain)
    np.testing.assert_array_equal(value, expected_value)
    np.testing.assert_array_equal(to_x, expected_to_x)
    expected = kernel_gradient(x, g)
    np.testing.assert_allclose(to_kernel, expected, rtol=1e-5, atol=2e-4)


@pytest.mark.parametrize(
    ("shape", "features", "slow"),
    [
        ((6, 81, 81, 304), 256, True),  # the decoder at crop 321
        ((6, 161, 161, 64), 128, True),  # the deep stem there
        ((6, 161, 161, 64), 64, False),
        ((6, 21, 21, 512), 512, False),
    ],
)
def test_which_gradients_are_slow(shape, features, slow):
    assert conv_on_cpu.has_slow_gradient(shape, features) is slow


def test_other_platforms_keep_the_convolution():
    x, g = jnp.zeros((1, 32, 32, 2)), jnp.zeros((1, 32, 32, 128))
    kernel = jnp.zeros((3, 3, 2, 128))

    def gradient(x, kernel, g):
        return jax.vjp(conv_on_cpu.convolve_3x3, x, kernel)[1](g)[1]

    traced = jax.jit(gradient).trace(x, kernel, g)
    for platform, products in (("cpu", 9), ("cuda", 0), ("tpu", 0)):
        text = traced.lower(lowering_platforms=(platform,)).as_text()
        assert text.count("stablehlo.dot_general") == products
