"""Finds the largest batch whose compiled step fits the memory."""

import functools
import logging
from collections.abc import Callable

import jax
import numpy as np
from jax.sharding import Mesh
from ml_collections import FrozenConfigDict

from ipixmatch_jax.data.registry import DataSet
from ipixmatch_jax.distributed import mesh as sharding
from ipixmatch_jax.experiment.resolve import with_batch_size
from ipixmatch_jax.methods.registry import METHODS
from ipixmatch_jax.training import device_memory, setup
from ipixmatch_jax.training.batches import blank_batch
from ipixmatch_jax.training.device_memory import format_memory

_LOGGER = logging.getLogger(__name__)

# The largest batch over the recipe's (ours). The learning rate grows with the
# batch, has no warm-up, and cannot be trusted beyond this.
MOST = 8
# The most programs that are compiled to find a batch.
_COMPILATIONS = 6


def largest_batch(
    memory: Callable[[int], int], limit: int, *, unit: int, most: int
) -> tuple[int, int]:
    """Finds the largest batch that fits, with few compilations.

    The memory of a program is nearly affine in its batch, so the line through
    two known batches proposes the next one to try. The batch that is returned
    was tried and fits, however `memory` grows. If the memory is not affine, a
    larger batch may fit that was not tried.

    Args:
      memory: batch -> bytes of one device; each call is slow.
      limit: bytes that may be used.
      unit: batches are multiples of it.
      most: the largest batch to try; below two units only one is tried.

    Returns:
      the batch and its bytes; if not even one unit fits, 0 and the unit's
      bytes.
    """
    top = max(most // unit, 1)  # In units from here on.
    known = {1: memory(unit)}
    if known[1] > limit:
        return 0, known[1]
    low, high, following = 1, top + 1, 2
    while high - low > 1 and len(known) < _COMPILATIONS:
        known[following] = memory(following * unit)
        if known[following] <= limit:
            low = max(low, following)
        else:
            high = min(high, following)
        following = min(_proposed(known, limit, low, high), high - 1)
        if following <= low:
            break
    return low * unit, known[low]


def _proposed(known: dict, limit: int, low: int, high: int) -> int:
    """The batch, in units, at which the memory is expected to meet the limit.

    The line goes through `low` and `high` if `high` was tried, otherwise
    through `low` and the batch below it.
    """
    other = high if high in known else max(k for k in known if k < low)
    slope = (known[other] - known[low]) / (other - low)
    if slope <= 0:  # The compiler found another layout; look far.
        return 2 * low
    return low + int((limit - known[low]) / slope)


def choose_batch_size(
    config: FrozenConfigDict, data: DataSet, mesh: Mesh
) -> tuple[int, str]:
    """Chooses the batch of a run whose train.batch_size is 0.

    The step is compiled for a few batches, and the largest is taken that fits
    the devices, is no larger than MOST times the recipe's, and shows no
    unlabelled image twice.

    Args:
      config: resolved, except for train.batch_size.
      data: the config's.
      mesh: the run's devices.

    Returns:
      the batch, and a few words on the memory that it takes.

    Raises:
      ValueError: the memory is not known, or too small for the smallest
        batch that the devices can share.
    """
    train = config.train
    limit = device_memory.memory_limit(len(mesh.local_devices))
    if limit is None:
        raise ValueError(
            "config.train.batch_size=0 looks for the batch that fits, but this "
            "device does not report its memory; give a number, such as "
            f"--config.train.batch_size={train.reference_batch_size}."
        )
    unit = sharding.batch_unit(mesh, train.accumulate)
    method = METHODS[config.method]
    seen = data.unlabelled if method.uses_unlabelled else data.labelled
    most = min(MOST * train.reference_batch_size, len(seen))
    ask = functools.cache(functools.partial(_memory, config, data, mesh))
    batch_size, size = largest_batch(ask, limit, unit=unit, most=most)
    if not batch_size:
        raise ValueError(
            f"Not even a batch of {unit} fits: the step plans "
            f"{format_memory(size)} on each device, of which "
            f"{format_memory(limit)} may be used. Ways out: a smaller "
            f"--config.data.crop_size (now {config.data.crop_size}), "
            "--config.precision=bf16, --config.model.remat=True, or more "
            "devices."
        )
    return batch_size, (
        f"{format_memory(size)} of {format_memory(limit)} on each device"
    )


def _memory(
    config: FrozenConfigDict, data: DataSet, mesh: Mesh, batch_size: int
) -> int:
    """Compiles the step for a batch, and returns its bytes on one device."""
    config = with_batch_size(config, batch_size)
    built = setup.build(config, data, mesh)
    size = device_memory.planned_memory(compiled_step(config, built))
    if size is None:
        raise ValueError(
            "config.train.batch_size=0 looks for the batch that fits, but "
            "this backend does not report what a program needs; give a number."
        )
    _LOGGER.info("a batch of %d plans %s", batch_size, format_memory(size))
    return device_memory.agree_on_memory(size, np.max)


def compiled_step(config: FrozenConfigDict, built: setup.Parts):
    """The compiled train step of a run, without its weights or its data."""
    batch = abstract_batch(config, built.mesh)
    return built.train_step.lower(built.like, batch).compile()


def abstract_batch(config: FrozenConfigDict, mesh: Mesh) -> dict:
    """Shapes of the arrays that the step of a config takes on a mesh."""
    batch = blank_batch(config)
    del batch["bad"]
    across = sharding.batch_sharding(mesh)
    return jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(
            (config.train.batch_size, *x.shape[1:]), x.dtype, sharding=across
        ),
        batch,
    )
