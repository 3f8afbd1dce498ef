"""Averages over areas against NumPy: every value repeated, then averaged."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ipixmatch_jax.models.layers.area_average import (
    average_areas,
    most_of_area,
)

SIZES = [((6, 8), (3, 2)), ((9, 7), (3, 3)), ((5, 4), (5, 4)), ((3, 5), (4, 9))]


@functools.partial(jax.jit, static_argnums=(0, 2))
def run(function, x, size):
    return function(x, size)


def average(x, size):
    """float64 [B, *size, C]: each value becomes a block of equal values."""
    (h, w), (rows, cols) = x.shape[1:3], size
    x = np.float64(x).repeat(rows, 1).repeat(cols, 2)
    blocks = x.reshape(len(x), rows, h, cols, w, -1)
    return blocks.mean((2, 4))


@pytest.mark.parametrize(("size_in", "size_out"), SIZES)
def test_averages_equal_numpys(size_in, size_out):
    x = np.random.default_rng(0).standard_normal((2, *size_in, 3))
    ours = run(average_areas, np.float32(x), size_out)
    assert ours.dtype == jnp.float32
    np.testing.assert_allclose(ours, average(x, size_out), atol=1e-6)
    # Every value counts once.
    np.testing.assert_allclose(
        ours.mean((1, 2)), x.mean((1, 2)), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize(("size_in", "size_out"), SIZES)
def test_a_cell_is_true_where_at_least_half_is(size_in, size_out):
    mask = np.random.default_rng(1).random((16, *size_in)) < 0.5
    expected = average(mask[..., None], size_out)[..., 0] >= 0.5
    assert expected.any()
    assert not expected.all()
    found = run(most_of_area, mask, size_out)
    np.testing.assert_array_equal(found, expected)


def test_exactly_half_counts():
    mask = np.zeros((1, 14, 14), bool)
    mask[:, :7] = True
    assert run(most_of_area, mask, (1, 1)).all()
    mask[0, 0, 0] = False
    assert not run(most_of_area, mask, (1, 1)).any()
