"""Predicts images with a trained network, exactly and in few shapes."""

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from jax.sharding import Mesh

from ipixmatch_jax.data.files import decode
from ipixmatch_jax.data.files.bands import Range
from ipixmatch_jax.data.files.tiff_windows import Place
from ipixmatch_jax.data.source import BadFileError, pixels
from ipixmatch_jax.distributed import mesh as sharding
from ipixmatch_jax.evaluate.batch_loop import run_batches
from ipixmatch_jax.evaluate.image_batches import (
    Batch,
    Item,
    Size,
    choose_shapes,
    plan_batches,
    return_errors,
)
from ipixmatch_jax.evaluate.padded_shapes import pad_images
from ipixmatch_jax.models.segmenter import Segmenter
from ipixmatch_jax.predict import averaging as averages
from ipixmatch_jax.predict.averaging import PLAIN, Averaging
from ipixmatch_jax.predict.windows import (
    LARGE,
    LARGE_ALONE,
    Windows,
    sum_windows,
)
from ipixmatch_jax.utils.threads import READERS

Read = Callable[[int], Item | BadFileError]


class Prediction(NamedTuple):
    """What is predicted for one image.

    Attributes:
      image: uint8 [H, W, C].
      ids: uint8 [H, W], the most probable class.
      confidence: float32 [H, W], its probability.
    """

    image: np.ndarray
    ids: np.ndarray
    confidence: np.ndarray


class Predictor:
    """Runs one network over images of any sizes.

    Images are padded to a few shapes, each of which compiles once; the padding
    changes nothing. See image_batches.choose_shapes.
    """

    def __init__(
        self,
        network: Segmenter,
        variables: dict,
        *,
        averaging: Averaging = PLAIN,
        windows: Windows | None = LARGE_ALONE,
        batch_size: int = 4,
        mesh: Mesh | None = None,
        value_range: Range | None = None,
    ):
        """Compiles nothing yet.

        Args:
          network: a Segmenter.
          variables: its params and batch_stats, on the mesh's devices.
          averaging: see Averaging.
          windows: see Windows; None: no image is cut, whatever memory it
            takes.
          batch_size: most images of a forward; of large ones there are fewer.
          mesh: axes ('data', 'fsdp'), the batch over both; None: one device.
          value_range: of images of more than 8 bits, see decode.read_image.
        """
        self._value_range = value_range
        self._network = network
        self._variables = variables
        self._averaging = averaging
        self._windows = windows
        self._batch_size = batch_size
        self._mesh = mesh

    def predict(
        self, sizes: dict[int, Size], read: Read
    ) -> Iterator[tuple[int, Prediction | BadFileError]]:
        """Predicts images.

        Args:
          sizes: their heights and widths by position.
          read: position -> the image, or what is wrong with its file.

        Yields:
          each position once, in any order, with the prediction or the error.
        """
        whole, cut, side = self._split(sizes)
        program = averages.jit_predict(
            self._network, self._averaging, self._mesh
        )
        for batch, result in self._run_whole(whole, read, program):
            ids, confidence = map(np.asarray, result)
            for slot, item in enumerate(batch.items):
                yield (
                    batch.indices[slot],
                    _cropped(item, ids[slot], confidence[slot]),
                )
        for index in cut:
            item = read(index)
            if isinstance(item, BadFileError):
                yield index, item
            else:
                yield index, self._predict_windows(item.image, side)

    def predict_files(
        self, paths: Sequence[str]
    ) -> Iterator[tuple[int, Prediction | BadFileError]]:
        """Predicts image files, see data/files/decode.py; else as `predict`."""
        read_size = return_errors(decode.read_size)
        sizes = {}
        with ThreadPoolExecutor(READERS) as pool:
            for i, size in enumerate(pool.map(read_size, paths)):
                if isinstance(size, BadFileError):
                    yield i, size
                else:
                    sizes[i] = size
        channels = self._network.channels
        read = functools.partial(_read_file, paths, channels, self._value_range)
        yield from self.predict(sizes, return_errors(read))

    def probabilities(
        self, sizes: dict[int, Size], read: Read
    ) -> Iterator[tuple[int, np.ndarray | BadFileError]]:
        """Class probabilities float32 [H, W, K]; else as `predict`."""
        whole, cut, side = self._split(sizes)
        program = self._jit_probabilities()
        for batch, result in self._run_whole(whole, read, program):
            shares = np.asarray(result)
            for slot, item in enumerate(batch.items):
                if isinstance(item, BadFileError):
                    yield batch.indices[slot], item
                else:
                    h, w = item.image.shape[:2]
                    yield batch.indices[slot], shares[slot, :h, :w]
        for index in cut:
            item = read(index)
            if isinstance(item, BadFileError):
                yield index, item
            else:
                strips = [
                    sums for _, sums in self._sum_windows(item.image, side)
                ]
                total = np.concatenate(strips)
                yield index, total / total.sum(-1, keepdims=True)

    def predict_places(
        self, read: Callable[[Place], np.ndarray], places: Sequence[Place]
    ) -> Iterator[np.ndarray]:
        """Predicts windows of one image, one on each device at a time.

        A window fills a device, and more of them would only take memory.

        Args:
          read: the pixels of a window, uint8 [h, w, C].
          places: of windows of one shape.

        Yields:
          class probabilities float32 [h, w, K] of each, in order.
        """
        program = self._jit_probabilities()
        shape = places[0].height, places[0].width
        slots = 1 if self._mesh is None else self._mesh.size
        for start in range(0, len(places), slots):
            some = places[start : start + slots]
            images, sizes = pad_images(
                [read(place) for place in some],
                shape,
                slots,
                self._network.channels,
            )
            shares = np.asarray(self._start(program, images, sizes, True))
            yield from shares[: len(some)]

    def _split(
        self, sizes: dict[int, Size]
    ) -> tuple[dict[int, Size], list[int], int]:
        """Images of one forward, those to cut, and the side of a window."""
        windows = self._windows
        if windows is None:
            return sizes, [], 0
        cut = [i for i, s in sizes.items() if math.prod(s) > windows.above]
        whole = {i: s for i, s in sizes.items() if i not in set(cut)}
        return whole, cut, windows.side

    def _run_whole(self, sizes, read, program):
        def count_slots(shape: Size, images: int) -> int:
            # No more slots than there are images.
            most = min(self._batch_size, images)
            return count_per_forward(
                math.prod(shape), most, self._mesh, self._averaging
            )

        def run(batch: Batch):
            exact = batch.plan.exact
            return self._start(program, batch.images, batch.sizes, exact)

        channels = self._network.channels
        shapes = choose_shapes(
            self._network,
            list(sizes.values()),
            whole=self._averaging.scales != PLAIN.scales,
        )
        plans = plan_batches(sizes, count_slots, shapes)
        return run_batches(plans, read, run, channels=channels)

    def _start(self, program, images, sizes, exact: bool):
        if self._mesh is not None:
            images, sizes = sharding.put_batch((images, sizes), self._mesh)
        # Without sizes the network masks nothing and is faster.
        return program(self._variables, images, None if exact else sizes)

    def _jit_probabilities(self):
        return averages.jit_probabilities(
            self._network, self._averaging, self._mesh
        )

    def _sum_windows(
        self, image: np.ndarray, side: int
    ) -> Iterator[tuple[int, np.ndarray]]:
        program = self._jit_probabilities()
        slots = count_per_forward(
            side**2, self._batch_size, self._mesh, self._averaging
        )

        shifted = not self._network.exact_when_padded

        def run(parts, shape, count):
            batch = pad_images(parts, shape, count, self._network.channels)
            return self._start(program, *batch, shifted)

        return sum_windows(run, image, side, slots, shifted=shifted)

    def _predict_windows(self, image: np.ndarray, side: int) -> Prediction:
        ids = np.empty(image.shape[:2], np.uint8)
        confidence = np.empty(image.shape[:2], np.float32)
        for top, sums in self._sum_windows(image, side):
            rows = slice(top, top + len(sums))
            ids[rows] = sums.argmax(-1)
            confidence[rows] = sums.max(-1) / sums.sum(-1)
        return Prediction(image, ids, confidence)


def count_per_forward(
    pixels: int, batch_size: int, mesh: Mesh | None, averaging: Averaging
) -> int:
    """Images of a forward: on each device at most LARGE pixels, or one image.

    Args:
      pixels: of one image; they count scaled, and twice if mirrored.
      batch_size: the most images.
      mesh: whose devices share a forward; None: one device.
      averaging: see Averaging.
    """
    seen = pixels * max(averaging.scales) ** 2 * (1 + averaging.flip)
    devices = 1 if mesh is None else mesh.size
    each = min(-(-batch_size // devices), max(int(LARGE / seen), 1))
    return each * devices


def _read_file(
    paths: Sequence[str],
    channels: int,
    value_range: Range | None,
    index: int,
) -> Item:
    image = decode.read_image(
        paths[index], channels=channels, value_range=value_range
    )
    return Item(pixels(image))


def _cropped(
    item: Item | BadFileError, ids: np.ndarray, confidence: np.ndarray
) -> Prediction | BadFileError:
    """A slot's result without its padding."""
    if isinstance(item, BadFileError):
        return item
    h, w = item.image.shape[:2]
    return Prediction(item.image, ids[:h, :w], confidence[:h, :w])
