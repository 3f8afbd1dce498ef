"""Aligned-corner interpolation against the definition, pixel by pixel."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ipixmatch_jax.models.layers.resize import resize_align_corners

pytestmark = pytest.mark.slow

resize = jax.jit(resize_align_corners, static_argnums=1)


def _slow(x, height, width):
    """float64 bilinear interpolation of one image [h, w, C]."""
    h, w, channels = x.shape
    out = np.zeros((height, width, channels))
    for i in range(height):
        for j in range(width):
            y = i * (h - 1) / (height - 1) if height > 1 else 0.0
            z = j * (w - 1) / (width - 1) if width > 1 else 0.0
            top, left = min(int(y), h - 1), min(int(z), w - 1)
            bottom, right = min(top + 1, h - 1), min(left + 1, w - 1)
            a, b = y - top, z - left
            out[i, j] = (1 - a) * (
                (1 - b) * x[top, left] + b * x[top, right]
            ) + a * ((1 - b) * x[bottom, left] + b * x[bottom, right])
    return out


@pytest.mark.parametrize(
    ("size_in", "size_out"),
    [
        ((5, 6), (17, 23)),
        ((17, 9), (5, 33)),  # columns first
        ((7, 7), (7, 7)),
        ((1, 4), (6, 9)),
        ((6, 5), (1, 12)),
        ((1, 1), (3, 4)),
    ],
)
def test_equals_the_definition(size_in, size_out):
    x = np.random.default_rng(0).standard_normal((2, *size_in, 3))
    actual = jax.device_get(resize(np.float32(x), size_out))
    assert actual.dtype == jnp.float32
    for image, expected in zip(actual, x, strict=True):
        np.testing.assert_allclose(image, _slow(expected, *size_out), atol=2e-6)


def test_true_sizes_inside_padded_arrays():
    sizes_in = [(9, 8), (5, 3), (1, 6), (0, 0)]
    sizes_out = [(20, 30), (11, 30), (4, 1), (0, 0)]
    rng = np.random.default_rng(1)
    x = np.zeros((4, 9, 8, 2))
    for image, (h, w) in zip(x, sizes_in, strict=True):
        image[:h, :w] = rng.standard_normal((h, w, 2))
    actual = resize_align_corners(
        jnp.float32(x), (20, 30), jnp.int32(sizes_in), jnp.int32(sizes_out)
    )
    for i, (image, (h, w)) in enumerate(zip(actual, sizes_out, strict=True)):
        expected = np.zeros((20, 30, 2))
        if h:
            true = x[i, : sizes_in[i][0], : sizes_in[i][1]]
            expected[:h, :w] = _slow(true, h, w)
        np.testing.assert_allclose(image, expected, atol=2e-6)
