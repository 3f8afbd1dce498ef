"""Runs the networks of a run over the images of a source."""

import functools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import numpy as np

from ipixmatch_jax.data.files.open_file import MAX_PIXELS
from ipixmatch_jax.data.source import BadFileError, Source
from ipixmatch_jax.distributed import mesh
from ipixmatch_jax.evaluate.batch_loop import run_batches
from ipixmatch_jax.evaluate.image_batches import (
    Batch,
    Size,
    choose_shapes,
    plan_batches,
    read_item,
    read_sizes,
    return_errors,
)
from ipixmatch_jax.experiment import restore
from ipixmatch_jax.models.segmenter import Segmenter
from ipixmatch_jax.suggest import uncertainty

# Most pixels of a forward on one device, unless a single image has more.
_PIXELS = 2**23


class Plan(NamedTuple):
    """Which images of a source can be read, and their padded shapes.

    Attributes:
      source: of the images.
      sizes: (height, width) by position.
      shapes: a few, which hold all sizes; see choose_shapes.
      bad: a sentence per image that cannot be used; grows while images are
        read.
    """

    source: Source
    sizes: dict[int, tuple[int, int]]
    shapes: list[tuple[int, int]]
    bad: list[str]


class ExaminedImage(NamedTuple):
    """One image and what the networks predict about it.

    Attributes:
      position: in the source.
      image: uint8 [h, w, C].
      examination: NumPy arrays without the axis B and without padding.
    """

    position: int
    image: np.ndarray
    examination: uncertainty.Examination


class Summary(NamedTuple):
    """What is kept of N images, in the order of their positions.

    Attributes:
      positions: int64 [N], in the source.
      entropy, disagreement: float32 [N].
      features: float32 [N, C].
    """

    positions: np.ndarray
    entropy: np.ndarray
    disagreement: np.ndarray
    features: np.ndarray


class Examiner:
    """Runs the networks of a run over images, batch by batch."""

    def __init__(self, run: restore.Trained):
        """Takes the networks of a run; features come from the better one."""
        names = sorted(run.variables, key=lambda name: name != run.better)
        self._network = run.network
        self._members = tuple(run.variables[name] for name in names)
        self._mesh = run.mesh
        self._devices = run.mesh.size
        self._each = -(-run.config.evaluate.batch_size // self._devices)

    @property
    def members(self) -> int:
        """How many networks there are."""
        return len(self._members)

    def examine_images(
        self, plan: Plan, positions: list[int]
    ) -> Iterator[list[ExaminedImage]]:
        """Examines the images at some positions, and yields batch by batch."""
        sizes = {index: plan.sizes[index] for index in positions}
        read = functools.partial(read_item, plan.source)
        for batch, examined in run_batches(
            plan_batches(sizes, self._count_slots, plan.shapes),
            return_errors(read),
            self._examine,
            channels=self._network.channels,
        ):
            yield _split_batch(batch, examined, plan.bad)

    def summarise(
        self, plan: Plan, on_images: Callable[[int], object]
    ) -> Summary:
        """Examines all images; calls `on_images` with how many each batch
        added."""
        kept: dict[int, tuple] = {}
        before = len(plan.bad)
        for images in self.examine_images(plan, list(plan.sizes)):
            # Neither the maps nor the images are kept.
            kept |= {one.position: one.examination[:3] for one in images}
            on_images(len(images) + len(plan.bad) - before)
            before = len(plan.bad)
        indices = sorted(kept)
        if not indices:
            empty = np.zeros(0, np.float32)
            return Summary(np.zeros(0, int), empty, empty, empty[:, None])
        columns = zip(*(kept[i] for i in indices), strict=True)
        return Summary(np.asarray(indices), *map(np.stack, columns))

    def _count_slots(self, shape: Size, images: int) -> int:
        return min(self._each, count_fitting(shape)) * self._devices

    def _examine(self, batch: Batch) -> uncertainty.Examination:
        put = mesh.put_batch((batch.images, batch.sizes), self._mesh)
        return uncertainty.examine_batch(self._network, self._members, *put)


def count_fitting(shape: tuple[int, int]) -> int:
    """How many images of a shape a device examines together."""
    return max(_PIXELS // (shape[0] * shape[1]), 1)


def make_plan(source: Source, network: Segmenter) -> Plan:
    """Reads the size of every image of a source that a network will see.

    Scenes that are too large to be decoded whole count as bad.
    """
    sizes, errors = read_sizes(source)
    bad = [str(error) for error in errors]
    for index, (height, width) in list(sizes.items()):
        if height * width > MAX_PIXELS:
            del sizes[index]
            bad.append(
                f"{source.name(index)} has {width}x{height} pixels, and images "
                f"of more than {MAX_PIXELS:,} are not examined: cut it into "
                "smaller ones."
            )
    return Plan(source, sizes, choose_shapes(network, [*sizes.values()]), bad)


def _split_batch(batch: Batch, examined, bad: list[str]) -> list[ExaminedImage]:
    """The images of a batch; errors of bad files are added to `bad`."""
    examined = jax.tree.map(np.asarray, examined)
    images = []
    for slot, item in enumerate(batch.items):
        if isinstance(item, BadFileError):
            bad.append(str(item))
            continue
        one = uncertainty.Examination(*(x[slot] for x in examined))
        h, w = item.image.shape[:2]
        one = one._replace(entropy_map=one.entropy_map[:h, :w])
        images.append(ExaminedImage(batch.indices[slot], item.image, one))
    return images
