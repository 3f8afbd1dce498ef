"""Scores networks on a data set, exactly and in few padded shapes."""

import contextlib
import functools
from collections.abc import Callable, Iterable
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh

from ipixmatch_jax.data import normalisation
from ipixmatch_jax.data.augment import weak_strong
from ipixmatch_jax.data.source import Source
from ipixmatch_jax.distributed import mesh as sharding
from ipixmatch_jax.distributed import processes
from ipixmatch_jax.evaluate import metrics
from ipixmatch_jax.evaluate.batch_loop import run_batches
from ipixmatch_jax.evaluate.image_batches import (
    Batch,
    BatchPlan,
    Item,
    choose_shapes,
    plan_batches,
    read_item,
    read_sizes,
)
from ipixmatch_jax.evaluate.resized_images import nearest_size, resized_logits
from ipixmatch_jax.evaluate.shifted_windows import summed_probabilities
from ipixmatch_jax.models.segmenter import Segmenter
from ipixmatch_jax.utils.waiting import StoppedWaitingError

MODES = ("original", "center_crop", "sliding_window")


def window_starts(length: int, size: int) -> list[int]:
    """First pixels of the sliding windows: steps of two thirds of `size`."""
    return list(range(0, length, int(size * 2 / 3)))


def class_scores(
    network: Segmenter,
    variables: dict,
    images: jax.Array,
    sizes: jax.Array | None,
    window: int | None = None,
) -> jax.Array:
    """Scores whose argmax is the prediction.

    Args:
      network: called as a Segmenter.
      variables: its params and batch_stats.
      images: normalised float32 [B, H, W, C].
      sizes: int32 [B, 2], true heights and widths; None: H and W. A network
        that cannot tell padding from image sees every image resized to the
        multiple of its patch nearest to H and W (UniMatch V2, where that is
        the nearest to the image's own sides too; see choose_shapes).
      window: side of the sliding window (UniMatch v1: step of two thirds,
        the last windows clipped, softmax maps summed); None: one forward.
        For a network that cannot tell padding from image, the last windows are
        shifted instead (V2), and every image fills its slot or is empty.

    Returns:
      float32 [B, H, W, K]: logits, or with a window summed probabilities.
    """
    if not network.exact_when_padded:
        forward_whole = functools.partial(_logits, network, variables)
        multiple = network.side_multiple
        if window is not None:
            return summed_probabilities(forward_whole, images, window, multiple)
        size = nearest_size(images.shape, multiple)
        return resized_logits(forward_whole, images, size, sizes)
    if window is None:
        return _logits(network, variables, images, sizes)
    if sizes is None:
        batch, height, width, _ = images.shape
        sizes = jnp.tile(jnp.asarray([[height, width]], jnp.int32), (batch, 1))
    return _summed_over_windows(network, variables, images, sizes, window)


def _summed_over_windows(
    network: Segmenter,
    variables: dict,
    images: jax.Array,
    sizes: jax.Array,
    window: int,
) -> jax.Array:
    """The sum of the windows' softmax maps; see `class_scores`."""
    batch, height, width, _ = images.shape
    rows, cols = window_starts(height, window), window_starts(width, window)
    starts = np.asarray([(r, c) for r in rows for c in cols], np.int32)
    # Room for the last window of each row and column.
    below = max(rows[-1] + window - height, 0)
    right = max(cols[-1] + window - width, 0)
    images = jnp.pad(images, [(0, 0), (0, below), (0, right), (0, 0)])

    def forward(start):
        """Probabilities of one window, 0 outside the image."""
        at = (0, start[0], start[1], 0)
        size = (batch, window, window, images.shape[-1])
        part = lax.dynamic_slice(images, at, size)
        inside = jnp.clip(sizes - start, 0, window)
        return jax.nn.softmax(_logits(network, variables, part, inside))

    def add(total, start):
        part = forward(start)
        at = (0, start[0], start[1], 0)
        old = lax.dynamic_slice(total, at, part.shape)
        return lax.dynamic_update_slice(total, old + part, at), None

    classes = jax.eval_shape(forward, starts[0]).shape[-1]
    total = jnp.zeros((*images.shape[:3], classes), jnp.float32)
    total, _ = lax.scan(add, total, jnp.asarray(starts))
    return total[:, :height, :width]


def _logits(
    network: Segmenter,
    variables: dict,
    images: jax.Array,
    sizes: jax.Array | None = None,
) -> jax.Array:
    logits = network.apply(variables, images, train=False, sizes=sizes)
    # flax returns a tuple only where collections are mutable.
    return cast(jax.Array, logits)


def normalise_images(network: Segmenter, images: jax.Array) -> jax.Array:
    """uint8 images [B, H, W, C] as the float32 that the network takes."""
    x = weak_strong.to_unit_range(images, jnp)
    return normalisation.normalise(x, jnp, network.mean, network.std)


@functools.partial(jax.jit, static_argnums=(0, 4))
def predict_classes(
    network: Segmenter,
    variables: dict,
    images: jax.Array,
    sizes: jax.Array | None = None,
    window: int | None = None,
) -> tuple[jax.Array, jax.Array]:
    """Predicts whole images.

    Args:
      network: a Segmenter.
      variables: its params and batch_stats.
      images: uint8 [B, H, W, C].
      sizes: int32 [B, 2], true heights and widths; None: H and W.
      window: see class_scores.

    Returns:
      class ids int32 [B, H, W] and their softmax probabilities float32
      [B, H, W]; with a window, those of the mean over the windows. Values
      outside the true sizes mean nothing.
    """
    images = normalise_images(network, images)
    scores = class_scores(network, variables, images, sizes, window)
    if window is None:
        shares = jax.nn.softmax(scores)
    else:
        shares = scores / jnp.sum(scores, axis=-1, keepdims=True)
    confidence = jnp.max(shares, axis=-1)
    return jnp.argmax(scores, axis=-1).astype(jnp.int32), confidence


def make_evaluator(
    network: Segmenter,
    *,
    mode: str,
    crop_size: int,
    num_classes: int,
    batch_size: int,
    mesh: Mesh | None = None,
) -> Callable:
    """Builds an evaluator. Keep it, because it compiles once per shape.

    Args:
      network: a Segmenter.
      mode: "original" (whole images), "center_crop" or "sliding_window" (of
        crop_size), as in UniMatch v1.
      crop_size: pixels, used by the last two.
      num_classes: K.
      batch_size: images of one forward, over all devices.
      mesh: axes ('data', 'fsdp'), the batch over both; None: one device.

    Returns:
      evaluate(variables, source, *, on_batch=None, should_stop=None), which
      scores every image of a Source once; each needs a mask. `variables`
      maps names, such as "student" and "teacher", to params and batch_stats,
      and one pass over the data scores them all. `on_batch(done, total)` is
      called with numbers of images. `should_stop()` is called between
      batches and must return the same in every process. The result is an
      int64 confusion matrix [K, K] by name, or None if it was stopped.

    Raises:
      ValueError: on an unknown mode, or if the devices cannot share a batch.
    """
    if mode not in MODES:
        raise ValueError(
            f"evaluate.mode is {mode!r}; choose one of: {', '.join(MODES)}"
        )
    if mesh is not None and batch_size % mesh.size:
        raise ValueError(
            f"the evaluation's batch of {batch_size} images does not divide "
            f"over {mesh.size} devices; make it a multiple of {mesh.size}"
        )
    window = crop_size if mode == "sliding_window" else None
    crop = crop_size if mode == "center_crop" else None
    score = _jit_score(network, window, num_classes, mesh)
    plan = functools.partial(
        _plan,
        network=network,
        crop=crop,
        whole=window is not None,
        batch_size=batch_size,
    )
    return functools.partial(_evaluate, network, score, crop, plan, mesh)


def _evaluate(
    network: Segmenter,
    score: Callable,
    crop: int | None,
    plan: Callable[[Source], Iterable[BatchPlan]],
    mesh: Mesh | None,
    variables: dict[str, dict],
    source: Source,
    *,
    on_batch: Callable[[int, int], object] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> dict[str, np.ndarray] | None:
    """Scores a source; see `make_evaluator`."""
    batches = run_batches(
        plan(source),
        functools.partial(_read_labelled, source, crop),
        functools.partial(_score_batch, score, mesh, variables),
        channels=network.channels,
        process=(jax.process_index(), jax.process_count()),
        should_stop=should_stop or (lambda: False),
    )
    totals: dict[str, Any] = dict.fromkeys(variables, 0)
    done = 0
    with contextlib.suppress(StoppedWaitingError):
        for batch, counts in batches:
            for name, count in counts.items():
                totals[name] = totals[name] + np.asarray(count, np.int64)
            done += len(batch.plan.indices)
            if on_batch is not None:
                on_batch(done, len(source))
    return totals if done == len(source) else None


def _score_batch(
    score: Callable,
    mesh: Mesh | None,
    variables: dict[str, dict],
    batch: Batch,
) -> dict[str, jax.Array]:
    """The confusion matrices of a batch by network."""
    arrays = batch.images, batch.labels, batch.sizes
    # Sent once, for all networks.
    if mesh is None:
        images, labels, sizes = jax.device_put(arrays)
    else:
        images, labels, sizes = sharding.put_batch(arrays, mesh)
    # Without sizes the network masks nothing and is faster.
    inside = None if batch.plan.exact else sizes
    return {
        name: score(weights, images, labels, inside)
        for name, weights in variables.items()
    }


# Cached by the arguments, so that runs in one process share its programs.
@functools.lru_cache(maxsize=8)
def _jit_score(network, window, num_classes, mesh):
    """(variables, images, labels, sizes) -> confusion matrix, jitted."""

    def score(variables, images, labels, sizes):
        images = normalise_images(network, images)
        scores = class_scores(network, variables, images, sizes, window)
        predictions = jnp.argmax(scores, axis=-1)
        return metrics.confusion_matrix(predictions, labels, num_classes)

    if mesh is None:
        return jax.jit(score)
    jitted = jax.jit(score, out_shardings=sharding.replicated(mesh))
    return processes.compile_together(jitted)


def _plan(
    source: Source,
    *,
    network: Segmenter,
    crop: int | None,
    whole: bool,
    batch_size: int,
) -> Iterable[BatchPlan]:
    sizes, errors = read_sizes(source, crop)
    if errors:
        raise errors[0]
    shapes = choose_shapes(network, list(sizes.values()), whole=whole)
    return plan_batches(sizes, lambda shape, count: batch_size, shapes)


def _read_labelled(source: Source, crop: int | None, index: int) -> Item:
    item = read_item(source, index, crop)
    if item.labels is None:
        raise ValueError(
            f"{source.name(index)} has no mask, so it cannot be scored."
        )
    return item
