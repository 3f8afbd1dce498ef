"""What a run's networks say of the val set: counts, and telling images."""

import functools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ipixmatch_jax.data.source import BadFileError, DataSet, Source, pixels
from ipixmatch_jax.distributed import mesh
from ipixmatch_jax.evaluate import evaluator, metrics
from ipixmatch_jax.evaluate.padded_shapes import bucket_shapes, grouped, padded
from ipixmatch_jax.experiment import restore

_DECODERS = 4  # threads


class Seen(NamedTuple):
    """One image of val as it is scored, in centre crops of its crop.

    Attributes:
      index: its position in val.
      image: uint8 [h, w, C].
      truth: uint8 [h, w], 255 where nothing counts.
      predictions: uint8 [h, w] by network.
      confusions: int64 [K, K] by network; rows are the truth.
    """

    index: int
    image: np.ndarray
    truth: np.ndarray
    predictions: dict[str, np.ndarray]
    confusions: dict[str, np.ndarray]


class Shown(NamedTuple):
    """An image that is shown.

    Attributes:
      name: as the data set has it.
      score: see `image_score`, of the better network.
      seen: its pixels.
    """

    name: str
    score: float
    seen: Seen


class Verdict(NamedTuple):
    """What the networks of one checkpoint make of val.

    Attributes:
      step: steps done.
      better: the network that chose the images.
      confusions: int64 [K, K] by network, over all of val.
      worst, best: images, the most telling first.
      class_names, palette: of the data set.
      bad: a sentence per image that was left out.
    """

    step: int
    better: str
    confusions: dict[str, np.ndarray]
    worst: list[Shown]
    best: list[Shown]
    class_names: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    bad: list[str]


def image_score(confusion: np.ndarray) -> float | None:
    """Mean IoU in percent over the classes in the truth of one image (ours).

    A class that is only predicted counts through those it is mistaken for.

    Args:
      confusion: integer [K, K], rows are the truth.

    Returns:
      None where no pixel of the truth counts.
    """
    present = confusion.sum(1) > 0
    if not present.any():
        return None
    return float(metrics.iou(confusion)[present].mean())


def choose(scores: dict[int, float], count: int) -> tuple[list, list]:
    """Positions of the worst and the best images, disjoint, telling first.

    Args:
      scores: by position.
      count: of both together; of an odd one the worst get the more.
    """
    order = sorted(scores, key=lambda i: (scores[i], i))
    count = min(count, len(order))
    worst, best = order[: -(-count // 2)], order[::-1][: count // 2]
    return worst, best


def judge(
    run: restore.Trained,
    data: DataSet,
    count: int,
    on_images: Callable[[int], object],
) -> Verdict:
    """Scores every image of val with every network, then picks some.

    Args:
      run: the networks.
      data: whose val is meant.
      count: how many images to show.
      on_images: is told how many were done.
    """
    viewer = _Viewer(run, data)
    totals = dict.fromkeys(run.variables, 0)
    scores = {}
    for seen in viewer.look(list(viewer.sizes)):
        for name, counts in seen.confusions.items():
            totals[name] = totals[name] + counts
        score = image_score(seen.confusions[run.better])
        if score is not None:
            scores[seen.index] = score
        on_images(1)
    on_images(len(viewer.bad))
    worst, best = choose(scores, count)
    shown = {
        seen.index: Shown(data.val.name(seen.index), scores[seen.index], seen)
        for seen in viewer.look(worst + best)
    }
    return Verdict(
        step=run.step,
        better=run.better,
        confusions=totals,
        worst=[shown[i] for i in worst],
        best=[shown[i] for i in best],
        class_names=tuple(data.class_names),
        palette=tuple(data.palette),
        bad=viewer.bad,
    )


class _Viewer:
    """Reads images of val and lets the networks predict them."""

    def __init__(self, run: restore.Trained, data: DataSet):
        config = run.config
        mode, crop = config.evaluate.mode, config.data.crop_size
        self._run = run
        self._source = data.val
        self._crop = crop if mode == "center_crop" else None
        window = crop if mode == "sliding_window" else None
        self._judged = _jit_judged(run.network, window, len(data.class_names))
        self.bad: list[str] = []
        self.sizes = _sizes(data.val, self._crop, self.bad)
        most = min(config.evaluate.batch_size, len(self.sizes))
        self._batch = -(-most // run.mesh.size) * run.mesh.size
        self._shapes = bucket_shapes(list(self.sizes.values()))

    def look(self, indices: list[int]) -> Iterator[Seen]:
        """Those images, in any order; bad ones are noted and left out."""
        sizes = {i: self.sizes[i] for i in indices}
        with ThreadPoolExecutor(_DECODERS) as pool:
            for shape, members in grouped(self._shapes, sizes):
                for start in range(0, len(members), self._batch):
                    some = members[start : start + self._batch]
                    pairs = list(pool.map(self._read, some))
                    yield from self._predict(some, pairs, shape)

    def _read(self, index):
        """Image and truth, or the sentence that says why there are none."""
        try:
            sample = self._source[index]
        except BadFileError as error:
            return str(error)
        pair = pixels(sample.image), np.asarray(sample.mask)
        if self._crop is None:
            return pair
        height, width = pair[1].shape
        box = evaluator.center_box(height, width, self._crop)
        top, left, bottom, right = box
        return tuple(x[top:bottom, left:right] for x in pair)

    def _predict(self, indices, pairs, shape):
        images = [p if isinstance(p, str) else p[0] for p in pairs]
        channels = self._run.network.channels
        batch, sizes = padded(images, shape, self._batch, channels)
        labels = np.full(batch.shape[:3], metrics.IGNORE, np.uint8)
        for slot, pair in enumerate(pairs):
            if not isinstance(pair, str):
                h, w = pair[1].shape
                labels[slot, :h, :w] = pair[1]
        put = mesh.put_batch((batch, labels, sizes), self._run.mesh)
        found = {
            name: [np.asarray(x) for x in self._judged(variables, *put)]
            for name, variables in self._run.variables.items()
        }
        for slot, (index, pair) in enumerate(zip(indices, pairs, strict=True)):
            if isinstance(pair, str):
                self.bad.append(pair)
                continue
            h, w = pair[1].shape
            ids = {n: x[slot, :h, :w] for n, (x, _) in found.items()}
            counts = {
                n: x[slot].astype(np.int64) for n, (_, x) in found.items()
            }
            yield Seen(index, *pair, ids, counts)


def _sizes(source: Source, crop: int | None, bad: list[str]):
    """(height, width) by position of the images that can be had."""
    sizes = {}
    for index in range(len(source)):
        try:
            h, w = source.size(index)
        except BadFileError as error:
            bad.append(str(error))
            continue
        sizes[index] = (h, w) if crop is None else (min(h, crop), min(w, crop))
    return sizes


# Kept by its arguments, so that runs in one process share what it compiles.
@functools.lru_cache(maxsize=8)
def _jit_judged(network, window, num_classes):
    """(variables, images, labels, sizes) -> ids and a confusion per image."""

    def judged(variables, images, labels, sizes):
        ids, _ = evaluator.predict(network, variables, images, sizes, window)
        counts = jax.vmap(
            lambda p, t: metrics.confusion(p[None], t[None], num_classes)
        )(ids, labels)
        return ids.astype(jnp.uint8), counts

    return jax.jit(judged)
