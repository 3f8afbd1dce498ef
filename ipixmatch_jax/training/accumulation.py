"""The gradient of a batch, at once or as the mean over micro-batches."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import Mesh

from ipixmatch_jax.distributed import mesh as sharding


def split_batch(batch: Any, count: int, mesh: Mesh | None = None) -> Any:
    """Splits a batch into micro-batches: [B, ...] -> [count, B / count, ...].

    Micro-batch m gets every count-th pair of neighbours: the images
    2 (m + i count) and 2 (m + i count) + 1. The result does not depend on the
    number of devices. A device that has a pair for every micro-batch splits
    its own images; otherwise the devices exchange the arrays of the batch
    once a step, before any view of them is computed.

    Args:
      batch: arrays [B, ...], B a multiple of 2 * count.
      count: number of micro-batches.
      mesh: of the devices that hold the batch; None: one device.
    """

    def split(x):
        pairs = x.reshape(-1, count, 2, *x.shape[1:])
        parts = jnp.moveaxis(pairs, 1, 0).reshape(count, -1, *x.shape[1:])
        if mesh is None or x.shape[0] % (2 * count * mesh.size) == 0:
            return parts
        layout = sharding.micro_batch_sharding(mesh)
        return jax.lax.with_sharding_constraint(parts, layout)

    return jax.tree.map(split, batch)


def mean_gradients(
    loss_fn: Callable,
    params: Any,
    batch_stats: Any,
    batch: Any,
    *,
    count: int,
    mesh: Mesh | None,
) -> tuple[Any, Any, dict[str, Array]]:
    """Computes the gradient, batch statistics and metrics of a batch.

    With a count above 1 the micro-batches run one after another, each from
    the batch statistics that the one before left, and the means of their
    gradients and metrics are returned. Only the activations of one
    micro-batch exist at a time.

    Args:
      loss_fn: (params, batch_stats, batch) -> (loss, (batch_stats, metrics)).
      params: the parameters, whole on every device. If they stayed sharded,
        XLA would lay out the activations like them.
      batch_stats: the statistics before the step.
      batch: arrays [B, ...], B a multiple of 2 * count.
      count: number of micro-batches.
      mesh: of the devices that hold the batch; None: one device.

    Returns:
      the gradient, laid out by sharding.state_sharding; the new batch
      statistics; and the metrics of loss_fn.
    """
    grad_fn = jax.grad(loss_fn, has_aux=True)

    def gradient_of(batch_stats, part):
        grads, (batch_stats, metrics) = grad_fn(params, batch_stats, part)
        # Gradients are summed over the devices before they are cut, for the
        # same reason as the parameters are whole.
        grads = sharding.shard_as_state(sharding.replicate(grads, mesh), mesh)
        return grads, batch_stats, metrics

    if count == 1:
        return gradient_of(batch_stats, batch)

    def add(carry, part):
        total, batch_stats = carry
        grads, batch_stats, metrics = gradient_of(batch_stats, part)
        total = jax.tree.map(jnp.add, total, grads)
        return (total, batch_stats), metrics

    zeros = jax.tree.map(jnp.zeros_like, params)
    start = sharding.shard_as_state(zeros, mesh), batch_stats
    (total, batch_stats), metrics = jax.lax.scan(
        add, start, split_batch(batch, count, mesh)
    )
    grads = jax.tree.map(lambda x: x / count, total)
    return grads, batch_stats, jax.tree.map(lambda x: x.mean(0), metrics)
