"""The largest batch that fits, from compiled programs and not by crashing."""

import functools
import logging
import math
import pathlib
from collections.abc import Callable

import jax
import numpy as np
from jax.sharding import Mesh
from ml_collections import ConfigDict
from PIL import Image

from ipixmatch_jax.configuration import saved
from ipixmatch_jax.data import pipeline
from ipixmatch_jax.data.registry import DataSet
from ipixmatch_jax.data.source import MODES, Sample, Source
from ipixmatch_jax.distributed import mesh as sharding
from ipixmatch_jax.training import device_memory, setup

_LOGGER = logging.getLogger(__name__)

# A batch is at most so many times the recipe's (ours): no farther would we
# trust a rate that grows with it and has no warm-up.
MOST = 8
# Programs that are compiled at most to find a batch.
_COMPILATIONS = 6


def largest_batch(
    memory: Callable[[int], int], limit: int, *, unit: int, most: int
) -> tuple[int, int]:
    """The largest batch that was seen to fit, by few questions.

    A program's memory is near affine in its batch: the line through the two
    batches that are known best proposes the next. What is returned was asked
    for and fits, however `memory` grows; where it is not affine, and the
    questions are used up, a larger one may fit too.

    Args:
      memory: batch -> bytes of one device; each call is slow.
      limit: bytes that may be used.
      unit: batches are multiples of it.
      most: the largest batch of interest; less than two units asks once.

    Returns:
      the batch, and its bytes; batch 0 where not even one unit fits, with
      the unit's bytes.
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
    """Where a line meets the limit: from `low` to what does not fit, if known.

    Otherwise through `low` and the batch below it.
    """
    other = high if high in known else max(k for k in known if k < low)
    slope = (known[other] - known[low]) / (other - low)
    if slope <= 0:  # The compiler found another layout; look far.
        return 2 * low
    return low + int((limit - known[low]) / slope)


def scaled_rate(
    rate: float, batch_size: int, reference: int, optimiser: str
) -> float:
    """The learning rate of a batch of another size than the recipe's.

    SGD: linear in the batch (Goyal et al. 2017). Adam: with its square root
    (Malladi et al. 2022).

    Args:
      rate: that goes with the batch `reference`.
      batch_size: the batch that is used.
      reference: the recipe's.
      optimiser: "sgd" or "adam".
    """
    ratio = batch_size / reference
    return rate * (math.sqrt(ratio) if optimiser == "adam" else ratio)


def keep(config: ConfigDict, workdir: pathlib.Path) -> None:
    """Where train.batch_size is 0, takes that of the run in a workdir, if any.

    The learning rate goes with it, from the config's own, as in `choose`.
    """
    if config.train.batch_size or not (workdir / saved.FILE).exists():
        return
    batch_size = saved.load(workdir).train.batch_size
    _set(config, batch_size, f"as {workdir} has it")


def choose(config: ConfigDict, data: DataSet) -> None:
    """Sets train.batch_size, and the learning rate that goes with it.

    The step is compiled for a few batches, and the largest is taken that fits
    the devices, is no larger than MOST times the recipe's, and shows no
    unlabelled image twice.

    Args:
      config: of a run; changed in place.
      data: the config's.

    Raises:
      ValueError: the memory is not known, or too small for one pair of
        images on every device.
    """
    _set(config, *_found(config, data))


def _set(config: ConfigDict, batch_size: int, why: str) -> None:
    train = config.train
    rate = train.learning_rate
    train.batch_size = batch_size
    train.learning_rate = scaled_rate(
        rate, batch_size, train.reference_batch_size, train.optimiser
    )
    _LOGGER.info(
        "batch_size=%d (%s), learning_rate=%g (%g at the recipe's batch of "
        "%d). To fix them: --config.train.batch_size=%d "
        "--config.train.learning_rate=%r",
        batch_size,
        why,
        train.learning_rate,
        rate,
        train.reference_batch_size,
        batch_size,
        train.learning_rate,
    )


def _found(config: ConfigDict, data: DataSet) -> tuple[int, str]:
    """The largest batch that fits, and what it takes in words."""
    train = config.train
    mesh = sharding.make_mesh(config.mesh.data, config.mesh.fsdp)
    limit = device_memory.limit(len(mesh.local_devices))
    if limit is None:
        raise ValueError(
            "config.train.batch_size=0 looks for the batch that fits, but the "
            "memory of this device is not told; give a number, such as "
            f"--config.train.batch_size={train.reference_batch_size}."
        )
    unit = 2 * mesh.size * train.accumulate
    seen = data.labelled if config.method == "supervised" else data.unlabelled
    most = min(MOST * train.reference_batch_size, len(seen))
    ask = functools.cache(functools.partial(_memory, config, data))
    batch_size, size = largest_batch(ask, limit, unit=unit, most=most)
    if not batch_size:
        raise ValueError(
            f"Not even a batch of {unit} fits: the step plans "
            f"{device_memory.shown(size)} on each device, of which "
            f"{device_memory.shown(limit)} may be used. Ways out: a smaller "
            f"--config.data.crop_size (now {config.data.crop_size}), "
            "--config.precision=bf16, --config.model.remat=True, or more "
            "devices."
        )
    return batch_size, (
        f"{device_memory.shown(size)} of {device_memory.shown(limit)} on "
        "each device"
    )


def _memory(config: ConfigDict, data: DataSet, batch_size: int) -> int:
    """Bytes that the step plans on one device for a batch."""
    config = config.copy_and_resolve_references()
    train = config.train
    train.learning_rate = scaled_rate(
        train.learning_rate,
        batch_size,
        train.reference_batch_size,
        train.optimiser,
    )
    train.batch_size = batch_size
    built = setup.build(config, data)
    size = device_memory.planned(compiled_step(config, built))
    if size is None:
        raise ValueError(
            "config.train.batch_size=0 looks for the batch that fits, but "
            "this backend does not tell what a program needs; give a number."
        )
    _LOGGER.info(
        "a batch of %d plans %s", batch_size, device_memory.shown(size)
    )
    return device_memory.agreed(size, np.max)


def compiled_step(config: ConfigDict, built: setup.Parts):
    """The compiled train step of a run, without its weights or its data."""
    batch = abstract_batch(config, built.mesh)
    return built.train_step.lower(built.like, batch).compile()


def abstract_batch(config: ConfigDict, mesh: Mesh) -> dict:
    """Shapes of the arrays that the step of a config takes on a mesh."""
    blank = _Blank(config.data.crop_size, MODES[config.data.channels])
    batch = pipeline.train_batches(
        blank,
        None if config.method == "supervised" else blank,
        batch_size=2,
        crop_size=config.data.crop_size,
        seed=0,
        recipe=setup.view_recipe(config),
        apply_views=config.data.apply_views,
    )[0]
    del batch["bad"]
    across = sharding.batch_sharding(mesh)
    return jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(
            (config.train.batch_size, *x.shape[1:]), x.dtype, sharding=across
        ),
        batch,
    )


class _Blank(Source):
    """Two black images, for the shapes alone."""

    def __init__(self, side: int, mode: str):
        self._size, self._mode = (side, side), mode

    def __len__(self) -> int:
        return 2

    def __getitem__(self, i: int) -> Sample:
        image = Image.new(self._mode, self._size)
        return Sample(image, Image.new("L", self._size))

    def name(self, i: int) -> str:
        """See `Source.name`; there is no such file."""
        return f"blank_{i}"

    def size(self, i: int) -> tuple[int, int]:
        """See `Source.size`."""
        return self._size
