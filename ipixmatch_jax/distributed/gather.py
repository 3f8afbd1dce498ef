"""Puts two networks of the same shapes whole on every device."""

from typing import TypeVar

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from ipixmatch_jax.distributed.mesh import (
    replicate,
    sharded_axis,
    state_sharding,
)

Tree = TypeVar("Tree")


def gather_together(
    one: Tree, other: Tree, mesh: Mesh | None
) -> tuple[Tree, Tree]:
    """Inside jit: puts both trees whole on every device.

    An array that is cut over 'fsdp' and its partner share one all-gather.

    Args:
      one: arrays, laid out by state_sharding.
      other: arrays of the same structure, shapes and dtypes, laid out alike.
      mesh: from make_mesh; None leaves both as they are.
    """
    if mesh is None:
        return one, other
    leaves, structure = jax.tree.flatten(one)
    gathered = [
        _gather_pair(leaf, partner, mesh)
        for leaf, partner in zip(leaves, jax.tree.leaves(other), strict=True)
    ]
    first, second = zip(*gathered, strict=True)
    return (
        jax.tree.unflatten(structure, first),
        jax.tree.unflatten(structure, second),
    )


def _gather_pair(leaf: Array, partner: Array, mesh: Mesh) -> list[Array]:
    if sharded_axis(leaf.shape, mesh) is None:
        return replicate([leaf, partner], mesh)
    layout = NamedSharding(mesh, P(None, *state_sharding(leaf, mesh).spec))
    pair = jnp.stack([leaf, partner])
    # Without it XLA gathers both before it stacks them.
    pair = jax.lax.with_sharding_constraint(pair, layout)
    return list(replicate(pair, mesh))
