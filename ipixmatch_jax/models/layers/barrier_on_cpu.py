"""A barrier for CPUs alone."""

from typing import TypeVar

from jax import lax

from ipixmatch_jax.utils.by_platform import by_platform

Tree = TypeVar("Tree")


def barrier_on_cpu(tree: Tree) -> Tree:
    """Returns the arrays of a tree as they are.

    XLA:CPU computes them all before what reads them, and computes none of them
    again there. Other platforms see no barrier.
    """
    barred: Tree = by_platform(
        tree, cpu=lax.optimization_barrier, default=lambda tree: tree
    )
    return barred
