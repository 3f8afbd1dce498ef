"""The mesh, the rule for the state, and what is refused."""

import jax
import jax.numpy as jnp
import pytest

from ipixmatch_jax import sharding


def test_data_zero_takes_every_device():
    assert dict(sharding.make_mesh(0, 1).shape) == {"data": 8, "fsdp": 1}
    assert dict(sharding.make_mesh(0, 4).shape) == {"data": 2, "fsdp": 4}
    assert sharding.make_mesh(1, 1).size == 1


def test_more_devices_than_there_are_is_refused():
    with pytest.raises(ValueError, match=r"asks for 16 devices and 8"):
        sharding.make_mesh(8, 2)


@pytest.mark.parametrize("batch", [2, 8, 12])
def test_a_device_without_a_pair_of_images_is_refused(batch):
    with pytest.raises(ValueError, match=r"multiple of 16"):
        sharding.check_batch(batch, sharding.make_mesh(8, 1))


def test_large_arrays_are_cut_along_their_largest_divisible_axis():
    mesh = sharding.make_mesh(2, 4)
    tree = {
        "kernel": jax.ShapeDtypeStruct((3, 3, 256, 512), jnp.float32),
        "odd": jax.ShapeDtypeStruct((3, 333, 333), jnp.float32),
        "small": jax.ShapeDtypeStruct((512,), jnp.float32),
    }
    specs = {k: v.spec for k, v in sharding.state_sharding(tree, mesh).items()}
    assert specs["kernel"] == jax.P(None, None, None, "fsdp")
    assert specs["odd"] == specs["small"] == jax.P()
