"""Refuses a run that fits no device, before anything is compiled."""

import math

import jax
from ml_collections import FrozenConfigDict

from ipixmatch_jax.data.source import Source
from ipixmatch_jax.training import device_memory, setup
from ipixmatch_jax.training.device_memory import format_memory


def check_memory(config: FrozenConfigDict, built: setup.Parts) -> None:
    """Refuses a run that fits no device, before anything is compiled.

    It counts only what must exist whatever the compiler does: the state, and
    the float32 class scores of the labelled crops, or of the largest images
    of val. A run may need more, so it can still run out of memory later.

    Raises:
      ValueError: the memory is known, and too small for either.
    """
    limit = device_memory.memory_limit(len(built.mesh.local_devices))
    if limit is None:
        return
    train, side, mesh = config.train, config.data.crop_size, built.mesh
    scores = 4 * config.model.num_classes  # bytes a pixel
    images = max(train.batch_size // mesh.size // train.accumulate, 2)
    least = _state_bytes(built.like) + images * side**2 * scores
    may = f"{format_memory(limit)} of each device may be used"
    if least > limit:
        raise ValueError(
            f"Crops of {side}x{side} pixels, {images} labelled ones at a time "
            f"on a device, take at least {format_memory(least)} with "
            f"the weights, and {may}: lower --config.data.crop_size or "
            "--config.train.batch_size, or use more devices."
        )
    height, width = _largest(config, built.data.val)
    images = -(-config.evaluate.batch_size // mesh.size)
    least = images * height * width * scores
    if least > limit:
        raise ValueError(
            f"The largest image of val is scored at {width}x{height} pixels, "
            f"{images} at a time on a device, whose class scores alone take "
            f"{format_memory(least)}, and {may}: lower "
            "--config.evaluate.batch_size, score centre crops with "
            "--config.evaluate.mode=center_crop, or make these images smaller."
        )


def _state_bytes(like) -> int:
    """Bytes of one device's part of a state."""
    return sum(
        math.prod(leaf.sharding.shard_shape(leaf.shape)) * leaf.dtype.itemsize
        for leaf in jax.tree.leaves(like)
    )


def _largest(config: FrozenConfigDict, source: Source) -> tuple[int, int]:
    """(height, width) as it is scored, of the image with the most pixels."""
    sizes = [source.size(i) for i in range(len(source))]
    if config.evaluate.mode == "center_crop":
        side = config.data.crop_size
        sizes = [(min(h, side), min(w, side)) for h, w in sizes]
    return max(sizes, key=math.prod, default=(0, 0))
