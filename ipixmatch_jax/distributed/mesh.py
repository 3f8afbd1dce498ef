"""The mesh of devices, ('data', 'fsdp'), and how arrays are laid out on it."""

import math

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

# Parameters smaller than this are kept whole on every device (elements).
_MIN_SHARDED = 2**14


def make_mesh(
    data: int, fsdp: int, devices: list[jax.Device] | None = None
) -> Mesh:
    """Arranges devices as data x fsdp; data=0 uses all that fsdp leaves.

    Args:
      data: devices along the batch.
      fsdp: devices over which the state is sharded.
      devices: the devices to arrange; None: all that jax sees.

    Raises:
      ValueError: there are too few devices; or, with several processes, too
        many.
    """
    devices = devices or jax.devices()
    data = data or max(len(devices) // fsdp, 1)
    if data * fsdp > len(devices):
        raise ValueError(
            f"mesh.data={data} times mesh.fsdp={fsdp} asks for {data * fsdp} "
            f"devices and {len(devices)} are here; lower one of them, or set "
            "mesh.data=0 to use what there is."
        )
    if jax.process_count() > 1 and data * fsdp < len(devices):
        raise ValueError(
            f"mesh.data={data} times mesh.fsdp={fsdp} leaves out devices of "
            f"the run's {jax.process_count()} processes, which have "
            f"{len(devices)}: every process must take part, so set mesh.data=0."
        )
    # Auto axes: a convolution needs no sharding written beside it.
    return jax.make_mesh(
        (data, fsdp),
        ("data", "fsdp"),
        axis_types=(AxisType.Auto,) * 2,
        devices=devices[: data * fsdp],
    )


def batch_unit(mesh: Mesh, accumulate: int = 1) -> int:
    """The number that train.batch_size must be a multiple of.

    Every device holds equally many images of a micro-batch, and a micro-batch
    consists of pairs, which CutMix pastes into each other.

    Args:
      mesh: from make_mesh.
      accumulate: micro-batches of a step.
    """
    return math.lcm(2, mesh.size) * accumulate


def check_batch(batch_size: int, mesh: Mesh, accumulate: int = 1) -> None:
    """Raises ValueError unless a batch is a multiple of `batch_unit`.

    Args:
      batch_size: labelled images of a step.
      mesh: from make_mesh.
      accumulate: micro-batches of a step.
    """
    unit = batch_unit(mesh, accumulate)
    if batch_size % unit == 0:
        return
    needs, ways = ["CutMix needs pairs of images"], ["change it"]
    if accumulate > 1:
        needs.append(f"there are {accumulate} micro-batches")
        ways.append("lower --config.train.accumulate")
    if mesh.size > 1:
        needs.append(f"the {mesh.size} devices need equal shares")
        ways.append("use fewer devices with --config.mesh.data")
    raise ValueError(
        f"train.batch_size={batch_size} is not a multiple of {unit}: "
        f"{', and '.join(needs)}. Ways out: {', or '.join(ways)}."
    )


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """The first axis over every device."""
    return NamedSharding(mesh, P(("data", "fsdp")))


def micro_batch_sharding(mesh: Mesh) -> NamedSharding:
    """The second axis over every device; the first counts micro-batches."""
    return NamedSharding(mesh, P(None, ("data", "fsdp")))


def replicated(mesh: Mesh) -> NamedSharding:
    """The whole array on every device."""
    return NamedSharding(mesh, P())


def state_sharding(tree, mesh: Mesh):
    """A sharding for each leaf: its largest divisible axis over 'fsdp'.

    Small arrays, and those that 'fsdp' divides nowhere, are replicated. The
    rule looks at shapes alone, so parameters, momentum and teacher agree.

    Args:
      tree: arrays or ShapeDtypeStructs.
      mesh: from make_mesh.
    """
    return jax.tree.map(lambda leaf: _leaf_sharding(leaf.shape, mesh), tree)


def replicate(tree, mesh: Mesh | None):
    """Inside jit: puts every array on every device, gathered or summed up.

    Args:
      tree: arrays.
      mesh: from make_mesh; None leaves the tree as it is.
    """
    if mesh is None:
        return tree
    return jax.lax.with_sharding_constraint(tree, replicated(mesh))


def shard_as_state(tree, mesh: Mesh | None):
    """Inside jit: lays arrays out by state_sharding; see replicate."""
    if mesh is None:
        return tree
    return jax.lax.with_sharding_constraint(tree, state_sharding(tree, mesh))


def sharded_axis(shape: tuple[int, ...], mesh: Mesh) -> int | None:
    """The axis of an array of the state that is cut over 'fsdp', if any."""
    parts = mesh.shape["fsdp"]
    axes = [i for i, size in enumerate(shape) if size % parts == 0]
    if parts == 1 or not axes or np.prod(shape) < _MIN_SHARDED:
        return None
    return max(axes, key=lambda i: shape[i])


def _leaf_sharding(shape: tuple[int, ...], mesh: Mesh) -> NamedSharding:
    axis = sharded_axis(shape, mesh)
    if axis is None:
        return replicated(mesh)
    spec: list[str | None] = [None] * len(shape)
    spec[axis] = "fsdp"
    return NamedSharding(mesh, P(*spec))


def put_batch(batch, mesh: Mesh):
    """Makes global arrays, of which this process's NumPy batch is a part."""
    sharding = batch_sharding(mesh)
    return jax.tree.map(
        lambda x: jax.make_array_from_process_local_data(sharding, x), batch
    )
