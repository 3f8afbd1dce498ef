"""Resampled position embeddings against Meta's numbers, JAX's and torch's."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.image import ResizeMethod

from ipixmatch_jax.models.layers.position_embedding import (
    resize_position_embedding,
)
from tests import golden_v2

pytestmark = pytest.mark.slow

GRIDS = [(5, 5), (8, 8), (6, 8), (57, 57), (37, 20), (1, 1)]


def embedding():
    return golden_v2.tensor("backbone.pos_embed", (1, 1370, 384))[..., :8]


@functools.partial(jax.jit, static_argnums=(1, 2))
def run(embedding, grid, antialias):
    return resize_position_embedding(embedding, grid, antialias=antialias)


def resized(grid, antialias):
    return np.asarray(run(embedding(), grid, antialias))[0]


@pytest.mark.parametrize("side", [5, 8, 57])
def test_equals_unimatch_v2s(reference, side):
    expected = np.load(reference / "golden_v2_small.npz")[f"pos_{side}"]
    actual = resized((side, side), False)
    assert actual.dtype == np.float32
    np.testing.assert_allclose(actual, expected, atol=1e-5)


@pytest.mark.parametrize("antialias", [False, True])
def test_the_native_grid_stays_as_it_is(antialias):
    np.testing.assert_array_equal(resized((37, 37), antialias), embedding()[0])


@pytest.mark.parametrize("grid", [(6, 8), (57, 40)])
def test_without_registers_as_jax_at_torchs_scale(grid):
    scale = (np.asarray(grid) + 0.1) / 37

    @jax.jit
    def resample(patches):
        return jax.image.scale_and_translate(
            patches,
            (*grid, 8),
            (0, 1),
            jnp.asarray(scale),
            jnp.zeros(2),
            ResizeMethod.CUBIC_PYTORCH,
            antialias=False,
        )

    expected = resample(embedding()[0, 1:].reshape(37, 37, 8))
    actual = resized(grid, False)
    np.testing.assert_allclose(actual[1:], expected.reshape(-1, 8), atol=1e-5)
    np.testing.assert_array_equal(actual[0], embedding()[0, 0])


@pytest.mark.parametrize("grid", [(6, 8), (57, 40)])
def test_with_registers_as_jaxs_antialiased_cubic(grid):
    expected = jax.image.resize(
        embedding()[0, 1:].reshape(37, 37, 8),
        (*grid, 8),
        ResizeMethod.CUBIC,
        antialias=True,
    )
    actual = resized(grid, True)
    np.testing.assert_allclose(actual[1:], expected.reshape(-1, 8), atol=1e-5)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("registers", [False, True])
def test_both_rules_as_torch(grid, registers):
    torch = pytest.importorskip("torch")
    patches = embedding()[0, 1:].reshape(1, 37, 37, 8).transpose(0, 3, 1, 2)
    if registers:
        how = {"size": grid, "antialias": True}
    else:
        scale = tuple((n + 0.1) / 37 for n in grid)
        how = {"scale_factor": scale, "antialias": False}
    expected = torch.nn.functional.interpolate(
        torch.tensor(patches), mode="bicubic", **how
    )
    expected = expected.numpy().transpose(0, 2, 3, 1).reshape(-1, 8)
    actual = resized(grid, registers)[1:]
    np.testing.assert_allclose(actual, expected, atol=2e-5)
