"""The mesh, the sharding of the state, and refused settings."""

import jax
import jax.numpy as jnp
import pytest

from ipixmatch_jax.configs import cityscapes, shapes, voc
from ipixmatch_jax.distributed import mesh as sharding
from ipixmatch_jax.experiment import validate
from tests.tiny_run import build


def test_data_zero_takes_every_device():
    assert dict(sharding.make_mesh(0, 1).shape) == {"data": 8, "fsdp": 1}
    assert dict(sharding.make_mesh(0, 4).shape) == {"data": 2, "fsdp": 4}
    assert sharding.make_mesh(1, 1).size == 1
    four = jax.devices()[4:]
    mesh = sharding.make_mesh(0, 2, four)
    assert dict(mesh.shape) == {"data": 2, "fsdp": 2}
    assert set(mesh.devices.flat) == set(four)


def test_more_devices_than_there_are_is_refused():
    with pytest.raises(ValueError, match=r"asks for 16 devices and 8"):
        sharding.make_mesh(8, 2)


# Devices may share the images of a pair, so one image for each is enough.
@pytest.mark.parametrize(
    ("devices", "unit"), [((8, 1), 8), ((2, 4), 8), ((3, 1), 6), ((1, 1), 2)]
)
def test_devices_take_equal_shares_of_pairs(devices, unit):
    mesh = sharding.make_mesh(*devices)
    for multiple in (unit, 3 * unit):
        sharding.check_batch(multiple, mesh)
    for batch in (unit // 2, unit + 2 if unit > 2 else 3, unit - 1):
        with pytest.raises(
            ValueError, match=rf"={batch} is not a multiple of {unit}: CutMix"
        ):
            sharding.check_batch(batch, mesh)


@pytest.mark.parametrize("recipe", [voc, cityscapes])
def test_the_published_batch_runs_on_eight_chips(recipe):
    batch = recipe.get_config().train.batch_size
    assert batch == 8
    sharding.check_batch(batch, sharding.make_mesh(8, 1))


@pytest.mark.parametrize("accumulate", [2, 4])
def test_every_micro_batch_gives_each_device_its_share(accumulate):
    mesh = sharding.make_mesh(2, 2)
    multiple = 4 * accumulate
    sharding.check_batch(multiple, mesh, accumulate)
    with pytest.raises(
        ValueError, match=rf"batch_size=4 .* {multiple}: .*train\.accumulate,"
    ):
        sharding.check_batch(4, mesh, accumulate)


REFUSED = {
    "mesh.data": (16, "asks for 16 devices and 8 are here"),
    "mesh.fsdp": (9, "asks for 9 devices and 8 are here"),
    "train.batch_size": (12, "batch_size=12 is not a multiple of 8"),
    "train.accumulate": (3, "batch_size=16 is not a multiple of 24"),
}


@pytest.mark.parametrize("field", REFUSED)
def test_a_mesh_that_does_not_fit_is_refused_before_compilation(
    field, monkeypatch
):
    def compiled(*args, **kwargs):
        raise AssertionError("compiled")

    value, sentence = REFUSED[field]
    config = shapes.get_config()
    config.train.batch_size = 16
    config.update_from_flattened_dict({field: value})
    monkeypatch.setattr(jax, "jit", compiled)
    with pytest.raises(ValueError, match=sentence):
        build(config)


@pytest.mark.parametrize("value", [0, -1])
def test_fewer_than_one_micro_batch_is_refused(value):
    config = shapes.get_config()
    config.train.accumulate = value
    with pytest.raises(
        ValueError, match=r"train\.accumulate.*too small; it is 1 to"
    ):
        validate.check_config(config)


def test_large_arrays_are_sharded_along_their_largest_divisible_axis():
    mesh = sharding.make_mesh(2, 4)
    tree = {
        "kernel": jax.ShapeDtypeStruct((3, 3, 256, 512), jnp.float32),
        "odd": jax.ShapeDtypeStruct((3, 333, 333), jnp.float32),
        "small": jax.ShapeDtypeStruct((512,), jnp.float32),
    }
    specs = {k: v.spec for k, v in sharding.state_sharding(tree, mesh).items()}
    assert specs["kernel"] == jax.P(None, None, None, "fsdp")
    assert specs["odd"] == specs["small"] == jax.P()
