"""What a run's networks say of every image of a source."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import jax
import numpy as np

from ipixmatch_jax.data.source import BadFileError, Source, pixels
from ipixmatch_jax.distributed import mesh
from ipixmatch_jax.evaluate.padded_shapes import bucket_shapes, grouped, padded
from ipixmatch_jax.experiment import restore
from ipixmatch_jax.suggest import scores

_DECODERS = 4  # threads
# Of one forward on one device, unless a single image has more.
_PIXELS = 2**23


class Plan(NamedTuple):
    """Which images of a source can be looked at, in which padded shapes.

    Attributes:
      source: of the images.
      sizes: (height, width) by position.
      shapes: at most eight, which hold all sizes.
      bad: a sentence per image that cannot be used; grows while looking.
    """

    source: Source
    sizes: dict[int, tuple[int, int]]
    shapes: list[tuple[int, int]]
    bad: list[str]


class Look(NamedTuple):
    """One image and what the networks say of it.

    Attributes:
      index: its position in the source.
      image: uint8 [h, w, C].
      examined: of suggest.examine, in NumPy, without axis B and padding.
    """

    index: int
    image: np.ndarray
    examined: scores.Examined


class Summary(NamedTuple):
    """What is kept of N images, by rising position.

    Attributes:
      indices: int64 [N], their positions in the source.
      entropy, disagreement: float32 [N].
      features: float32 [N, C].
    """

    indices: np.ndarray
    entropy: np.ndarray
    disagreement: np.ndarray
    features: np.ndarray


class Looker:
    """Runs the networks of a run over images, batch by batch."""

    def __init__(self, run: restore.Trained):
        """Takes the run's networks; the features are the better one's."""
        names = sorted(run.variables, key=lambda name: name != run.better)
        self._network = run.network
        self._members = tuple(run.variables[name] for name in names)
        self._mesh = run.mesh
        self._devices = run.mesh.size
        self._each = -(-run.config.evaluate.batch_size // self._devices)

    @property
    def members(self) -> int:
        """How many networks look."""
        return len(self._members)

    def look(self, plan: Plan, wanted: list[int]) -> Iterator[list[Look]]:
        """The images at the wanted positions, a list of looks per batch."""
        waiting = None
        with ThreadPoolExecutor(_DECODERS) as pool:
            for shape, indices in _batches(plan, wanted, self._batch_size):
                read = pool.map(lambda i: _pixels(plan.source, i), indices)
                images = list(read)
                examined = self._examine(images, shape)
                # Read one batch late: the device works while we decode.
                if waiting is not None:
                    yield _looks(*waiting, plan.bad)
                waiting = indices, images, examined
        if waiting is not None:
            yield _looks(*waiting, plan.bad)

    def summarise(
        self, plan: Plan, on_images: Callable[[int], object]
    ) -> Summary:
        """Looks at the whole plan; `on_images` is told how many were done."""
        kept, before = {}, len(plan.bad)
        for looks in self.look(plan, list(plan.sizes)):
            # The maps and the images are let go.
            kept |= {one.index: one.examined[:3] for one in looks}
            on_images(len(looks) + len(plan.bad) - before)
            before = len(plan.bad)
        indices = sorted(kept)
        if not indices:
            empty = np.zeros(0, np.float32)
            return Summary(np.zeros(0, int), empty, empty, empty[:, None])
        columns = zip(*(kept[i] for i in indices), strict=True)
        return Summary(np.asarray(indices), *map(np.stack, columns))

    def _batch_size(self, shape):
        return min(self._each, fitting(shape)) * self._devices

    def _examine(self, images, shape):
        count = self._batch_size(shape)
        batch = padded(images, shape, count, self._network.channels)
        put = mesh.put_batch(batch, self._mesh)
        return scores.examine(self._network, self._members, *put)


def fitting(shape: tuple[int, int]) -> int:
    """How many images of that shape a device looks at together."""
    return max(_PIXELS // (shape[0] * shape[1]), 1)


def make_plan(source: Source) -> Plan:
    """Reads the size of every image of a source."""
    sizes, bad = {}, []
    for index in range(len(source)):
        try:
            sizes[index] = source.size(index)
        except BadFileError as error:
            bad.append(str(error))
    shapes = bucket_shapes(list(sizes.values())) if sizes else []
    return Plan(source, sizes, shapes, bad)


def _batches(plan, wanted, batch_size):
    """(padded shape, indices) per batch."""
    sizes = {index: plan.sizes[index] for index in wanted}
    for shape, indices in grouped(plan.shapes, sizes):
        step = batch_size(shape)
        for start in range(0, len(indices), step):
            yield shape, indices[start : start + step]


def _pixels(source, index):
    """uint8 [h, w, C], or the sentence that says why there are none."""
    try:
        return pixels(source[index].image)
    except BadFileError as error:
        return str(error)


def _looks(indices, images, examined, bad):
    examined = jax.tree.map(np.asarray, examined)
    looks = []
    for slot, (index, image) in enumerate(zip(indices, images, strict=True)):
        if isinstance(image, str):
            bad.append(image)
            continue
        one = scores.Examined(*(x[slot] for x in examined))
        h, w = image.shape[:2]
        one = one._replace(entropy_map=one.entropy_map[:h, :w])
        looks.append(Look(index, image, one))
    return looks
