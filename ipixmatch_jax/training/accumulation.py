"""Gradients of a batch, in one piece or as the mean of micro-batches."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import Mesh

from ipixmatch_jax.distributed import mesh as sharding


def split(batch: Any, count: int) -> Any:
    """[B, ...] -> [count, B / count, ...]: pairs of images take turns.

    Micro-batch m holds the images 2 (m + i count) and their neighbours
    2 (m + i count) + 1. Every device thereby cuts its own images only, as
    long as each has a pair for every micro-batch, and the micro-batches do
    not depend on the number of devices.
    """

    def one(x):
        pairs = x.reshape(-1, count, 2, *x.shape[1:])
        return jnp.moveaxis(pairs, 1, 0).reshape(count, -1, *x.shape[1:])

    return jax.tree.map(one, batch)


def gradients(
    loss_fn: Callable,
    params: Any,
    batch_stats: Any,
    batch: Any,
    *,
    count: int,
    mesh: Mesh | None,
) -> tuple[Any, Any, dict[str, Array]]:
    """Gradient, new batch statistics and metrics of a batch.

    With a count above 1 the micro-batches follow one another, the next one
    starting from the statistics of the one before, and gradients and metrics
    are the means of theirs. Only one micro-batch's activations exist at a
    time.

    Args:
      loss_fn: (params, batch_stats, batch) -> (loss, (batch_stats, metrics)).
      params: what the gradient is of, laid out by sharding.state_sharding.
      batch_stats: before the step.
      batch: arrays [B, ...], B a multiple of 2 * count.
      count: of micro-batches.
      mesh: over which the parameters lie; None: one device.
    """
    # Gathered once for the step: sharded, a parameter would draw the
    # activations it meets into its own layout.
    whole = sharding.whole(params, mesh)
    grad_fn = jax.grad(loss_fn, has_aux=True)

    def one(batch_stats, part):
        grads, (batch_stats, metrics) = grad_fn(whole, batch_stats, part)
        # Summed over the devices first, for the same reason.
        grads = sharding.cut(sharding.whole(grads, mesh), mesh)
        return grads, batch_stats, metrics

    if count == 1:
        return one(batch_stats, batch)

    def add(carry, part):
        total, batch_stats = carry
        grads, batch_stats, metrics = one(batch_stats, part)
        total = jax.tree.map(jnp.add, total, grads)
        return (total, batch_stats), metrics

    start = jax.tree.map(jnp.zeros_like, params), batch_stats
    (total, batch_stats), metrics = jax.lax.scan(
        add, start, split(batch, count)
    )
    grads = jax.tree.map(lambda x: x / count, total)
    return grads, batch_stats, jax.tree.map(lambda x: x.mean(0), metrics)
