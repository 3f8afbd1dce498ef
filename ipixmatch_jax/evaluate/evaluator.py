"""Scores networks on a data set, exactly and in at most eight shapes:

python -m ipixmatch_jax.evaluate --workdir DIR
python -m ipixmatch_jax.evaluate --config configs/voc.py:r101_1_8 --weights FILE
"""

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh

from ipixmatch_jax.data import normalisation
from ipixmatch_jax.data.augment import weak_strong
from ipixmatch_jax.data.source import Sample, Source, pixels
from ipixmatch_jax.distributed import mesh as sharding
from ipixmatch_jax.distributed import processes
from ipixmatch_jax.evaluate import metrics
from ipixmatch_jax.evaluate.padded_shapes import bucket_shapes, grouped, padded
from ipixmatch_jax.models.segmenter import Segmenter

MODES = ("original", "center_crop", "sliding_window")

_DECODERS = 4  # threads


def center_box(height: int, width: int, size: int) -> tuple[int, ...]:
    """(top, left, bottom, right) of the centre crop, clipped to the image."""
    top, left = max((height - size) // 2, 0), max((width - size) // 2, 0)
    return top, left, min(top + size, height), min(left + size, width)


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
      sizes: int32 [B, 2], true heights and widths; None: H and W.
      window: side of the sliding window (UniMatch v1: step of two thirds,
        the last windows clipped, softmax maps summed); None: one forward.

    Returns:
      float32 [B, H, W, K]: logits, or with a window summed probabilities.
    """
    if window is None:
        return network.apply(variables, images, train=False, sizes=sizes)
    batch, height, width, _ = images.shape
    if sizes is None:
        sizes = jnp.tile(jnp.asarray([[height, width]], jnp.int32), (batch, 1))
    rows, cols = window_starts(height, window), window_starts(width, window)
    starts = np.asarray([(r, c) for r in rows for c in cols], np.int32)
    # Room for the last window of each row and column.
    pads = (0, rows[-1] + window - height), (0, cols[-1] + window - width)
    pads = [(low, max(high, 0)) for low, high in pads]
    images = jnp.pad(images, [(0, 0), *pads, (0, 0)])

    def forward(start):
        """Probabilities of one window, 0 outside the image."""
        at = (0, start[0], start[1], 0)
        size = (batch, window, window, images.shape[-1])
        part = lax.dynamic_slice(images, at, size)
        inside = jnp.clip(sizes - start, 0, window)
        logits = network.apply(variables, part, train=False, sizes=inside)
        return jax.nn.softmax(logits)

    def add(total, start):
        part = forward(start)
        at = (0, start[0], start[1], 0)
        old = lax.dynamic_slice(total, at, part.shape)
        return lax.dynamic_update_slice(total, old + part, at), None

    classes = jax.eval_shape(forward, starts[0]).shape[-1]
    total = jnp.zeros((*images.shape[:3], classes), jnp.float32)
    total, _ = lax.scan(add, total, jnp.asarray(starts))
    return total[:, :height, :width]


def normalised(network: Segmenter, images: jax.Array) -> jax.Array:
    """uint8 images [B, H, W, C] as the float32 that the network takes."""
    x = weak_strong.weak(images, jnp)
    return normalisation.normalise(x, jnp, network.mean, network.std)


@functools.partial(jax.jit, static_argnums=(0, 4))
def predict(
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
      [B, H, W], with a window the mean of its places; without meaning
      outside the true sizes.
    """
    images = normalised(network, images)
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
    """Builds an evaluator, to be kept: it compiles once per shape, not more.

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
      scores every image of a Source (with masks) once. `variables` maps
      names, such as "student" and "teacher", to params and batch_stats, all
      scored in one pass over the data; `on_batch(done, total)` is called
      with numbers of images; `should_stop()` is asked between batches (every
      process must get the same answer). It returns int64 confusion matrices
      [K, K] by name, or None if stopped.

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

    def evaluate(variables, source, *, on_batch=None, should_stop=None):
        totals = dict.fromkeys(variables, 0)
        pending, done = {}, 0
        with ThreadPoolExecutor(_DECODERS) as pool:
            for shape, exact, indices in _batches(source, crop, batch_size):
                if should_stop is not None and should_stop():
                    return None
                batch = _load(
                    source,
                    indices,
                    shape,
                    crop,
                    batch_size,
                    pool,
                    network.channels,
                )
                if mesh is not None:
                    batch = sharding.put_batch(batch, mesh)
                images, labels, sizes = batch
                sizes = None if exact else sizes
                counts = {
                    name: score(weights, images, labels, sizes)
                    for name, weights in variables.items()
                }
                # Read one batch late: the device works while we decode.
                _add(totals, pending)
                pending, done = counts, done + len(indices)
                if on_batch is not None:
                    on_batch(done, len(source))
        _add(totals, pending)
        return totals

    return evaluate


# Kept by its arguments, so that runs in one process share what it compiles.
@functools.lru_cache(maxsize=8)
def _jit_score(network, window, num_classes, mesh):
    """(variables, images, labels, sizes) -> confusion matrix, jitted."""

    def score(variables, images, labels, sizes):
        images = normalised(network, images)
        scores = class_scores(network, variables, images, sizes, window)
        predictions = jnp.argmax(scores, axis=-1)
        return metrics.confusion(predictions, labels, num_classes)

    if mesh is None:
        return jax.jit(score)
    jitted = jax.jit(score, out_shardings=sharding.replicated(mesh))
    return processes.compile_together(jitted)


def _add(totals, counts):
    for name, count in counts.items():
        totals[name] = totals[name] + np.asarray(count, np.int64)


def _batches(source, crop, batch_size):
    """(padded shape, whether it is every image's own, indices) per batch."""
    sizes = [source.size(i) for i in range(len(source))]
    if crop is not None:
        sizes = [(min(h, crop), min(w, crop)) for h, w in sizes]
    groups = grouped(bucket_shapes(sizes), dict(enumerate(sizes)))
    for shape, indices in groups:
        exact = all(sizes[i] == shape for i in indices)
        for start in range(0, len(indices), batch_size):
            yield shape, exact, indices[start : start + batch_size]


def _load(source: Source, indices, shape, crop, batch_size, pool, channels):
    """This process's part of a batch: images, labels, sizes (NumPy).

    Empty slots have size 0 and labels 255.
    """
    count = batch_size // jax.process_count()
    first = count * jax.process_index()
    mine = indices[first : first + count]
    arrays = list(
        pool.map(lambda i: _arrays(source[i], source.name(i), crop), mine)
    )
    images = [image for image, _ in arrays]
    images, sizes = padded(images, shape, count, channels)
    labels = np.full((count, *shape), metrics.IGNORE, np.uint8)
    for slot, (_, label) in enumerate(arrays):
        h, w = label.shape
        labels[slot, :h, :w] = label
    return images, labels, sizes


def _arrays(sample: Sample, name, crop):
    """Image [h, w, C] and labels [h, w], cropped, uint8."""
    if sample.mask is None:
        raise ValueError(f"{name} has no mask, so it cannot be scored.")
    image, label = pixels(sample.image), np.asarray(sample.mask)
    if crop is not None:
        top, left, bottom, right = center_box(*label.shape, crop)
        image = image[top:bottom, left:right]
        label = label[top:bottom, left:right]
    return image, label
