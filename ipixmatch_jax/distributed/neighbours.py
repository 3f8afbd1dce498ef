"""CutMix partners: images 2i and 2i + 1 of a batch, also across devices."""

import functools

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import Mesh

from ipixmatch_jax.distributed.mesh import batch_sharding


def swap_neighbours(x: Array, mesh: Mesh | None = None) -> Array:
    """Swaps images 2i and 2i + 1 of a batch: they are CutMix partners.

    Where every device holds an even number of images, pairs lie on one device
    and nothing crosses. With an odd number, the last image of device 2k and
    the first of device 2k + 1 are a pair: the two devices exchange these in
    one collective permute, so each device sends the bytes of one image of x.

    Args:
      x: [B, ...] with B even.
      mesh: of the devices that hold the batch, see mesh.batch_sharding; None:
        one device.

    Returns:
      as x.
    """
    if mesh is None or x.shape[0] % (2 * mesh.size) == 0:
        return _swap_pairs(x)
    spec = batch_sharding(mesh).spec
    swap = functools.partial(_swap_shared, mesh=mesh)
    return jax.shard_map(swap, mesh=mesh, in_specs=spec, out_specs=spec)(x)


def _swap_pairs(x: Array) -> Array:
    pairs = x.reshape(x.shape[0] // 2, 2, *x.shape[1:])
    return pairs[:, ::-1].reshape(x.shape)


def _swap_shared(x: Array, mesh: Mesh) -> Array:
    """`swap_neighbours` on one device, which holds an odd number of images."""
    exchanges = [(device, device ^ 1) for device in range(mesh.size)]
    is_even = jax.lax.axis_index(mesh.axis_names) % 2 == 0
    shared = jnp.where(is_even, x[-1:], x[:1])
    partner = jax.lax.ppermute(shared, mesh.axis_names, exchanges)
    if len(x) == 1:
        return partner
    return jnp.where(
        is_even,
        jnp.concatenate([_swap_pairs(x[:-1]), partner]),
        jnp.concatenate([partner, _swap_pairs(x[1:])]),
    )
