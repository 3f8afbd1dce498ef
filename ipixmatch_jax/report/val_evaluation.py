"""Scores a run's networks on val and picks images to show."""

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ipixmatch_jax.data.source import BadFileError, DataSet
from ipixmatch_jax.distributed import mesh
from ipixmatch_jax.evaluate import evaluator, metrics
from ipixmatch_jax.evaluate.batch_loop import run_batches
from ipixmatch_jax.evaluate.image_batches import (
    Batch,
    choose_shapes,
    plan_batches,
    read_item,
    read_sizes,
    return_errors,
)
from ipixmatch_jax.experiment import restore


class ScoredImage(NamedTuple):
    """One image of val as it is scored: whole, or its centre crop.

    Attributes:
      position: in val.
      image: uint8 [h, w, C].
      truth: uint8 [h, w], 255 where nothing counts.
      predictions: uint8 [h, w] by network.
      confusions: int64 [K, K] by network; rows are the truth.
    """

    position: int
    image: np.ndarray
    truth: np.ndarray
    predictions: dict[str, np.ndarray]
    confusions: dict[str, np.ndarray]


class ShownImage(NamedTuple):
    """An image of val that the page shows.

    Attributes:
      name: in the data set.
      score: of the better network, see `image_score`.
      scored: its pixels.
    """

    name: str
    score: float
    scored: ScoredImage


class ValResult(NamedTuple):
    """What the networks of one checkpoint score on val.

    Attributes:
      step: steps done.
      better: the network whose scores chose the images.
      confusions: int64 [K, K] by network, over all of val.
      worst, best: images, the most extreme first.
      class_names, palette: of the data set.
      bad: a sentence per image that was left out.
    """

    step: int
    better: str
    confusions: dict[str, np.ndarray]
    worst: list[ShownImage]
    best: list[ShownImage]
    class_names: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    bad: list[str]


def image_score(confusion: np.ndarray) -> float | None:
    """Mean IoU in percent over the classes in the truth of one image (ours).

    A class that is only predicted lowers the IoU of the classes whose pixels
    it took.

    Args:
      confusion: integer [K, K], rows are the truth.

    Returns:
      None where no pixel of the truth counts.
    """
    present = confusion.sum(1) > 0
    if not present.any():
        return None
    return float(metrics.iou_by_class(confusion)[present].mean())


def choose_images(scores: dict[int, float], count: int) -> tuple[list, list]:
    """Positions of the worst and the best images, without overlap.

    Args:
      scores: by position.
      count: of both together; of an odd number more are of the worst.
    """
    order = sorted(scores, key=lambda i: (scores[i], i))
    count = min(count, len(order))
    worst, best = order[: -(-count // 2)], order[::-1][: count // 2]
    return worst, best


def evaluate_val(
    run: restore.Trained,
    data: DataSet,
    count: int,
    on_images: Callable[[int], object],
) -> ValResult:
    """Scores every image of val with every network and picks some to show.

    Args:
      run: the networks.
      data: the data set of the run.
      count: how many images to show.
      on_images: is called with how many images were done since.
    """
    reader = _ValReader(run, data)
    totals: dict[str, Any] = dict.fromkeys(run.variables, 0)
    scores = {}
    for image in reader.read_images(list(reader.sizes)):
        for name, counts in image.confusions.items():
            totals[name] = totals[name] + counts
        score = image_score(image.confusions[run.better])
        if score is not None:
            scores[image.position] = score
        on_images(1)
    on_images(len(reader.bad))
    worst, best = choose_images(scores, count)
    shown = {
        image.position: ShownImage(
            data.val.name(image.position), scores[image.position], image
        )
        for image in reader.read_images(worst + best)
    }
    return ValResult(
        step=run.step,
        better=run.better,
        confusions=totals,
        worst=[shown[i] for i in worst],
        best=[shown[i] for i in best],
        class_names=tuple(data.class_names),
        palette=tuple(data.palette),
        bad=reader.bad,
    )


class _ValReader:
    """Reads images of val and lets the networks predict them."""

    def __init__(self, run: restore.Trained, data: DataSet):
        config = run.config
        mode, crop = config.evaluate.mode, config.data.crop_size
        self._run = run
        self._source = data.val
        self._crop = crop if mode == "center_crop" else None
        window = crop if mode == "sliding_window" else None
        self._score = _jit_score(run.network, window, len(data.class_names))
        self.sizes, errors = read_sizes(data.val, self._crop)
        self.bad = [str(error) for error in errors]
        most = min(config.evaluate.batch_size, len(self.sizes))
        self._slots = -(-most // run.mesh.size) * run.mesh.size
        self._shapes = choose_shapes(
            run.network,
            list(self.sizes.values()),
            whole=window is not None,
        )

    def read_images(self, indices: list[int]) -> Iterator[ScoredImage]:
        """Those images, in any order; bad ones are noted and left out."""
        sizes = {i: self.sizes[i] for i in indices}
        plans = plan_batches(sizes, lambda *_: self._slots, self._shapes)
        read = functools.partial(read_item, self._source, crop=self._crop)
        for batch, found in run_batches(
            plans,
            return_errors(read),
            self._predict,
            channels=self._run.network.channels,
        ):
            yield from self._split_batch(batch, found)

    def _predict(self, batch: Batch) -> dict[str, tuple]:
        arrays = batch.images, batch.labels, batch.sizes
        put = mesh.put_batch(arrays, self._run.mesh)
        return {
            name: self._score(variables, *put)
            for name, variables in self._run.variables.items()
        }

    def _split_batch(
        self, batch: Batch, found: dict[str, tuple]
    ) -> Iterator[ScoredImage]:
        found = jax.tree.map(np.asarray, found)
        for slot, item in enumerate(batch.items):
            if isinstance(item, BadFileError):
                self.bad.append(str(item))
                continue
            assert item.labels is not None  # val has masks
            h, w = item.labels.shape
            ids = {n: x[slot, :h, :w] for n, (x, _) in found.items()}
            counts = {
                n: x[slot].astype(np.int64) for n, (_, x) in found.items()
            }
            yield ScoredImage(
                batch.indices[slot], item.image, item.labels, ids, counts
            )


# Kept by its arguments, so that runs in one process share what it compiles.
@functools.lru_cache(maxsize=8)
def _jit_score(network, window, num_classes):
    """(variables, images, labels, sizes) -> ids and a confusion per image."""

    def score_batch(variables, images, labels, sizes):
        ids, _ = evaluator.predict_classes(
            network, variables, images, sizes, window
        )
        counts = jax.vmap(
            lambda p, t: metrics.confusion_matrix(p[None], t[None], num_classes)
        )(ids, labels)
        return ids.astype(jnp.uint8), counts

    return jax.jit(score_batch)
