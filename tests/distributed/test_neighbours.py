"""CutMix partners on one device and across devices."""

import jax
import numpy as np
import pytest

from benchmarks.collectives import collectives
from ipixmatch_jax.distributed import mesh as sharding
from ipixmatch_jax.distributed.neighbours import swap_neighbours


def test_neighbours_swap_in_pairs():
    x = np.arange(6)[:, None] * np.ones((1, 2))
    np.testing.assert_array_equal(swap_neighbours(x)[:, 0], [1, 0, 3, 2, 5, 4])


@pytest.mark.parametrize("shape", [(8, 1), (2, 4), (2, 1)])
@pytest.mark.parametrize("held", [1, 2, 3])
def test_devices_exchange_the_images_whose_partner_is_elsewhere(shape, held):
    """Each device sends one image where it holds an odd number, else none."""
    mesh = sharding.make_mesh(*shape)
    images = held * mesh.size
    x = np.random.default_rng(0).standard_normal((images, 5, 3), np.float32)
    swap = jax.jit(
        lambda x: swap_neighbours(x, mesh),
        in_shardings=sharding.batch_sharding(mesh),
        out_shardings=sharding.batch_sharding(mesh),
    )
    compiled = swap.lower(x).compile()
    partner = np.arange(images) ^ 1
    np.testing.assert_array_equal(compiled(x), x[partner])
    sent = [(c.kind, c.shape) for c in collectives(compiled.as_text())]
    assert sent == [("collective-permute", (1, 5, 3))] * (held % 2)


def test_masks_of_one_byte_are_exchanged_too():
    mesh = sharding.make_mesh(8, 1)
    valid = np.random.default_rng(1).random((8, 4)) < 0.5
    swapped = jax.jit(lambda x: swap_neighbours(x, mesh))(valid)
    np.testing.assert_array_equal(swapped, valid[np.arange(8) ^ 1])
