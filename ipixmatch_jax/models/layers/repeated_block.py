"""The blocks that an encoder repeats, traced once."""

import functools
from collections.abc import Callable

import flax.linen as nn


@functools.cache
def repeated_block(
    block: type[nn.Module],
    *,
    remat: bool,
    drawing: bool,
    static_argnums: tuple[int, ...] = (),
) -> Callable[..., nn.Module]:
    """A class like `block`, with the same attributes, variables and numbers.

    Blocks that differ in their params alone are traced once, so that jax
    traces a step of DINOv2-S in two thirds of the time. XLA sees the same
    program.

    Args:
      block: a class of modules.
      remat: keep a block's input alone for the gradient, and compute the rest
        of it a second time.
      drawing: the variables are being drawn. Then each block is traced, since
        flax's jit would draw others.
      static_argnums: places of arguments that are not arrays; `self` is 0.
    """
    if remat:
        block = nn.remat(block, static_argnums=static_argnums)
    if drawing:
        return block
    return nn.jit(block, static_argnums=static_argnums)
