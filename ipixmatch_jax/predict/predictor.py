"""Predicts image files with trained networks, exactly and in few shapes:

python -m ipixmatch_jax.predict --workdir DIR --images PATH --out DIR
"""

import functools
import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from ipixmatch_jax.data.files import decode
from ipixmatch_jax.data.source import BadFileError, pixels
from ipixmatch_jax.distributed import mesh as sharding
from ipixmatch_jax.evaluate import evaluator
from ipixmatch_jax.evaluate.padded_shapes import bucket_shapes, grouped, padded
from ipixmatch_jax.models.layers.resize import resize_align_corners
from ipixmatch_jax.models.segmenter import Segmenter

# Images of more pixels are cut into windows (ours): what a forward of one
# needs then no longer grows with the image.
LARGE = 2048 * 2048
WINDOW = 1024  # Side of these windows in pixels, unless crops are larger.

THREADS = 4  # that decode


class Averaging(NamedTuple):
    """What is averaged: the softmax maps of every scale and mirror image.

    Attributes:
      scales: factors of height and width; bilinear with aligned corners.
      flip: whether each is also seen mirrored left to right.
    """

    scales: tuple[float, ...] = (1.0,)
    flip: bool = False


class Windows(NamedTuple):
    """Which images are cut into windows (as evaluate.class_scores does it).

    Attributes:
      side: of a window in pixels.
      above: images of more pixels than this are cut.
    """

    side: int = WINDOW
    above: int = LARGE


PLAIN = Averaging()
LARGE_ALONE = Windows()


class Prediction(NamedTuple):
    """One image's.

    Attributes:
      image: uint8 [H, W, C].
      ids: uint8 [H, W], the most probable class.
      confidence: float32 [H, W], its probability.
    """

    image: np.ndarray
    ids: np.ndarray
    confidence: np.ndarray


def probabilities(
    network: Segmenter,
    variables: dict,
    images: jax.Array,
    sizes: jax.Array | None = None,
    averaging: Averaging = PLAIN,
) -> jax.Array:
    """Class probabilities, averaged.

    Args:
      network: a Segmenter.
      variables: its params and batch_stats.
      images: uint8 [B, H, W, C].
      sizes: int32 [B, 2], true heights and widths; None: H and W.
      averaging: over what; by default nothing.

    Returns:
      float32 [B, H, W, K]; without meaning outside the true sizes.
    """
    images = evaluator.normalised(network, images)
    if averaging.scales == (1.0,):
        return _shares(network, variables, images, sizes, averaging.flip)
    shape, total = images.shape[1:3], 0.0
    for scale in averaging.scales:
        # The padded shape and the true sizes, rounded alike.
        padded = _scaled(np.asarray(shape), scale, np).tolist()
        scaled = None if sizes is None else _scaled(sizes, scale, jnp)
        x = resize_align_corners(images, padded, sizes, scaled)
        x = _shares(network, variables, x, scaled, averaging.flip)
        total = total + resize_align_corners(x, shape, scaled, sizes)
    return total / len(averaging.scales)


def _shares(network, variables, images, sizes, flip):
    """Softmax of normalised images, or its mean with the mirror images'."""
    if flip:
        # In one forward, which compiles once. Taking turns leaves each image
        # on its device; see methods/passes.py.
        images = jnp.stack([images, _mirror(images, sizes)], 1)
        images = images.reshape(-1, *images.shape[2:])
        twice = None if sizes is None else jnp.repeat(sizes, 2, axis=0)
        both = evaluator.class_scores(network, variables, images, twice)
        both = jax.nn.softmax(both)
        return (both[::2] + _mirror(both[1::2], sizes)) / 2
    scores = evaluator.class_scores(network, variables, images, sizes)
    return jax.nn.softmax(scores)


def _scaled(sizes, scale, xp):
    """Sides times a scale, rounded; an empty slot stays one."""
    # In whole thousandths, so that NumPy and XLA round alike.
    scaled = (sizes * round(1000 * scale) + 500) // 1000
    return xp.where(sizes > 0, xp.maximum(scaled, 1), 0)


def _mirror(x, sizes):
    """Turns each image around within its true width."""
    if sizes is None:
        return x[:, :, ::-1]
    at, width = jnp.arange(x.shape[2])[None], sizes[:, 1:]
    at = jnp.where(at < width, width - 1 - at, at)
    return jnp.take_along_axis(x, at[:, None, :, None], axis=2)


# Kept by its arguments: it compiles once per shape, not more.
@functools.lru_cache(maxsize=8)
def _jit(network, averaging, mesh, whole):
    """(variables, images, sizes) -> ids and confidence, or probabilities."""

    def run(variables, images, sizes):
        shares = probabilities(network, variables, images, sizes, averaging)
        if not whole:
            return shares
        ids = jnp.argmax(shares, axis=-1).astype(jnp.uint8)
        return ids, jnp.max(shares, axis=-1)

    if mesh is None:
        return jax.jit(run)
    return jax.jit(run, out_shardings=sharding.batch_sharding(mesh))


def predict_files(
    network: Segmenter,
    variables: dict,
    paths: Sequence[str],
    *,
    averaging: Averaging = PLAIN,
    windows: Windows | None = LARGE_ALONE,
    batch_size: int = 4,
    mesh: Mesh | None = None,
) -> Iterator[tuple[int, Prediction | BadFileError]]:
    """Predicts files of any sizes in at most eight shapes and a window's.

    Args:
      network: a Segmenter.
      variables: its params and batch_stats, on the mesh's devices.
      paths: image files, see data/decode.py.
      averaging: see Averaging.
      windows: see Windows; None: none is cut, whatever memory it takes.
      batch_size: most images of a forward; of large ones there are fewer.
      mesh: axes ('data', 'fsdp'), the batch over both; None: one device.

    Yields:
      for each path once, in any order, its position and the prediction, or
      what is wrong with the file.
    """
    whole: dict[int, tuple[int, int]] = {}
    cut = []
    read = _try(functools.partial(_read, channels=network.channels))
    with ThreadPoolExecutor(THREADS) as pool:
        for i, size in enumerate(pool.map(_try(decode.read_size), paths)):
            if isinstance(size, BadFileError):
                yield i, size
            elif windows is not None and math.prod(size) > windows.above:
                cut.append(i)
            else:
                whole[i] = size
        run = _bound(network, averaging, mesh, variables, True)
        sharing = whole, batch_size, mesh, averaging
        pending = None
        for shape, indices, *how in _batches(*sharing):
            names = [paths[i] for i in indices]
            images = list(pool.map(read, names))
            result = run(images, shape, *how)
            # Read one batch late: the device works while others write.
            yield from _finished(pending)
            pending = indices, images, result
        yield from _finished(pending)
    run = _bound(network, averaging, mesh, variables, False)
    for i in cut:
        image = read(paths[i])
        if not isinstance(image, BadFileError):
            count = _count(windows.side**2, batch_size, mesh, averaging)
            image = _windowed(run, image, windows.side, count)
        yield i, image


def _try(read):
    """`read`, with a file's fault returned: the others shall go on."""

    def attempt(path):
        try:
            return read(path)
        except BadFileError as error:
            return error

    return attempt


def _read(path, channels):
    return pixels(decode.read_image(path, channels=channels))


def _bound(network, averaging, mesh, variables, whole):
    """(images, padded shape, slots, exact) -> results on the devices."""
    run = _jit(network, averaging, mesh, whole)

    def place(images, shape, count, exact=False):
        batch, sizes = padded(images, shape, count, network.channels)
        if mesh is not None:
            batch, sizes = sharding.put_batch((batch, sizes), mesh)
        # Without sizes nothing is masked, at no cost; see Segmenter.
        return run(variables, batch, None if exact else sizes)

    return place


def _count(pixels, batch_size, mesh, averaging):
    """Images of a forward: on each device at most LARGE pixels, or one image.

    Pixels count as they are seen, scaled and twice if mirrored.
    """
    seen = pixels * max(averaging.scales) ** 2 * (1 + averaging.flip)
    devices = 1 if mesh is None else mesh.size
    each = min(-(-batch_size // devices), max(int(LARGE / seen), 1))
    return each * devices


def _batches(sizes, batch_size, mesh, averaging):
    """(padded shape, indices, slots, whether none is smaller) per batch."""
    if not sizes:
        return
    shapes = bucket_shapes(list(sizes.values()))
    for shape, indices in grouped(shapes, sizes):
        # No more slots than there are images.
        most = min(batch_size, len(indices))
        count = _count(math.prod(shape), most, mesh, averaging)
        exact = all(sizes[i] == shape for i in indices)
        for start in range(0, len(indices), count):
            yield shape, indices[start : start + count], count, exact


def _finished(pending):
    """(position, prediction or fault) of each image of a batch."""
    if pending is None:
        return
    indices, images, result = pending
    ids, confidence = map(np.asarray, result)
    for slot, (i, image) in enumerate(zip(indices, images, strict=True)):
        if isinstance(image, BadFileError):
            yield i, image
            continue
        h, w = image.shape[:2]
        found = ids[slot, :h, :w], confidence[slot, :h, :w]
        yield i, Prediction(image, *found)


def _windowed(run, image, side, count) -> Prediction:
    """One image in windows; no more is held than one row of them."""
    height, width = image.shape[:2]
    ids = np.empty((height, width), np.uint8)
    confidence = np.empty((height, width), np.float32)
    rows = evaluator.window_starts(height, side)
    rest = None
    for top, end in zip(rows, [*rows[1:], height], strict=True):
        total = _row(run, image[top : top + side], side, count)
        if rest is not None:
            total[: len(rest)] += rest
        shares, rest = total[: end - top], total[end - top :]
        ids[top:end] = shares.argmax(-1)
        confidence[top:end] = shares.max(-1) / shares.sum(-1)
    return Prediction(image, ids, confidence)


def _row(run, strip, side, count):
    """Sums [h, W, K] of the probabilities of a row of windows."""
    width, total = strip.shape[1], None
    columns = evaluator.window_starts(width, side)
    for start in range(0, len(columns), count):
        lefts = columns[start : start + count]
        parts = [strip[:, left : left + side] for left in lefts]
        shares = np.asarray(run(parts, (side, side), count))
        if total is None:
            total = np.zeros((*strip.shape[:2], shares.shape[-1]), np.float32)
        for left, part, share in zip(lefts, parts, shares, strict=False):
            h, w = part.shape[:2]
            total[:, left : left + w] += share[:h, :w]
    return total
