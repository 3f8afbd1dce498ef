"""The forms of platforms against float64 sums and the plain convolution."""

import functools
import itertools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from ipixmatch_jax.models.layers import conv, conv_by_platform
from ipixmatch_jax.models.layers.convolve import convolve
from ipixmatch_jax.models.layers.taps import convolve_by_taps


def kernel_gradient(x, g):
    """float64 gradient [3, 3, in, out] of a 3x3 kernel, a tap at a time."""
    _, h, w, _ = x.shape
    x = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    result = np.empty((3, 3, x.shape[-1], g.shape[-1]))
    for a, b in itertools.product(range(3), range(3)):
        tap = x[:, a : a + h, b : b + w]
        result[a, b] = np.einsum("bhwi,bhwo->io", tap, g, optimize=True)
    return result


def run_layer(x, kernel, slope, dilation):
    """The value and both gradients of a layer, and of the plain one."""
    layer = conv.Conv(kernel.shape[-1], 3, 1, dilation, dtype=x.dtype)

    def apply(x, kernel):
        return layer.apply({"params": {"kernel": kernel}}, x)

    def outcome(function):
        @jax.jit
        def run(x, kernel, slope):
            value, pull = jax.vjp(function, x, kernel)
            return value, *pull(slope)

        return run(x, kernel, slope)

    plain = functools.partial(convolve, dilation=dilation)
    return outcome(apply), outcome(plain)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_the_gradient_of_a_large_kernel(monkeypatch, dtype):
    monkeypatch.setattr(jax, "device_count", lambda: 1)
    rng = np.random.default_rng(0)
    x, slope, kernel = (
        jnp.asarray(rng.standard_normal(shape), dtype)
        for shape in ((2, 25, 26, 5), (2, 25, 26, 128), (3, 3, 5, 128))
    )
    assert conv_by_platform.form_of(x.shape, 128) == "products"
    (value, to_x, to_kernel), plain = run_layer(x, kernel, slope, 1)
    np.testing.assert_array_equal(value, plain[0])
    np.testing.assert_array_equal(to_x, plain[1])
    expected = kernel_gradient(np.float64(x), np.float64(slope))
    rounding = float(jnp.finfo(dtype).eps)
    np.testing.assert_allclose(
        np.float64(to_kernel), expected, rtol=rounding, atol=1e-4
    )


def test_a_dilated_convolution_by_taps():
    rng = np.random.default_rng(0)
    x, slope, kernel = (
        jnp.float32(rng.standard_normal(shape))
        for shape in ((2, 21, 20, 5), (2, 21, 20, 7), (3, 3, 5, 7))
    )
    assert conv_by_platform.form_of(x.shape, 7, dilation=6) == "taps"
    found, plain = run_layer(x, kernel, slope, 6)
    for one, expected in zip(found, plain, strict=True):
        np.testing.assert_allclose(one, expected, rtol=1e-5, atol=2e-4)


@pytest.mark.parametrize(
    ("shape", "features", "dilation", "form"),
    [
        ((8, 81, 81, 304), 256, 1, "products"),  # the decoder at crop 321
        ((4, 161, 161, 64), 128, 1, "products"),  # the deep stem there
        ((4, 161, 161, 64), 64, 1, "plain"),
        ((4, 21, 21, 512), 512, 1, "plain"),
        ((8, 21, 21, 2048), 256, 6, "taps"),  # ASPP there
        ((2, 33, 33, 2048), 256, 6, "plain"),  # and at crop 513
        ((4, 21, 21, 512), 512, 2, "plain"),
        ((4, 3, 3, 512), 512, 1, "plain"),  # however small
    ],
)
def test_which_form_is_the_fastest(shape, features, dilation, form):
    assert conv_by_platform.form_of(shape, features, dilation=dilation) == form


@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (7, 2), (5, 1)])
def test_others_are_plain(kernel, stride):
    form = conv_by_platform.form_of((8, 81, 81, 304), 256, kernel, stride)
    assert form == "plain"


@pytest.fixture
def traced_again():
    """What was traced for another number of devices is not taken."""
    conv_by_platform.convolve_by_platform.clear_cache()
    yield
    conv_by_platform.convolve_by_platform.clear_cache()


@pytest.mark.usefixtures("traced_again")
@pytest.mark.parametrize(
    ("devices", "dilation", "products"),
    [
        (1, 1, {"cpu": 9, "cuda": 0, "tpu": 0}),
        # Devices that share the images out keep the convolution.
        (8, 1, {"cpu": 0, "cuda": 0, "tpu": 0}),
        # The value, and two gradients of each tap's product.
        (8, 16, {"cpu": 27, "cuda": 0, "tpu": 0}),
        (8, 30, {"cpu": 27, "cuda": 27, "tpu": 0}),
    ],
)
def test_which_platform_takes_other_forms(
    monkeypatch, devices, dilation, products
):
    monkeypatch.setattr(jax, "device_count", lambda: devices)
    x, slope = jnp.zeros((1, 40, 40, 2)), jnp.zeros((1, 40, 40, 128))
    kernel = jnp.zeros((3, 3, 2, 128))

    def run(x, kernel, slope):
        function = functools.partial(
            conv_by_platform.convolve_by_platform, stride=1, dilation=dilation
        )
        value, pull = jax.vjp(function, x, kernel)
        return value, pull(slope)

    traced = jax.jit(run).trace(x, kernel, slope)
    for platform, count in products.items():
        text = traced.lower(lowering_platforms=(platform,)).as_text()
        assert text.count("stablehlo.dot_general") == count


@pytest.mark.parametrize("dilation", [6, 18])
def test_parts_of_one_size_are_cut_by_one_program(dilation):
    """Their starts are unknown to the compiler."""
    x, kernel = jnp.zeros((2, 21, 20, 5)), jnp.zeros((3, 3, 5, 7))

    def run(x, kernel):
        cut = functools.partial(
            convolve_by_taps, dilation=dilation, hide=lax.optimization_barrier
        )
        return cut(x, kernel)

    text = jax.jit(run).lower(x, kernel).as_text()
    cuts = re.findall(r"dynamic_slice %arg., (.*), sizes = (.*) :", text)
    # Of the kernel; of all, of two rows, of two columns and of four corners.
    assert len(cuts) == 18
    assert len({size for _, size in cuts}) == 1 + 4
    # The barrier's results: rows and columns have starts of their own.
    starts = [re.findall(r"%\d+#(\d+)", operands) for operands, _ in cuts]
    assert {int(row) // 4 for row, _ in starts} == {0}
    assert {int(column) // 4 for _, column in starts} == {1}


def test_only_cpus_store_the_gradient():
    def gradient(x):
        return jax.grad(lambda x: conv_by_platform.store_gradient(x).sum())(x)

    x = jnp.arange(4.0)
    np.testing.assert_array_equal(jax.jit(gradient)(x), np.ones(4))
    traced = jax.jit(gradient).trace(x)
    for platform, count in {"cpu": 1, "cuda": 0, "tpu": 0}.items():
        text = traced.lower(lowering_platforms=(platform,)).as_text()
        assert text.count("optimization_barrier") == count
