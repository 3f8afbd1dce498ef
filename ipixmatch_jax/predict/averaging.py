"""Class probabilities, averaged over scales and mirror images."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from ipixmatch_jax.distributed import mesh as sharding
from ipixmatch_jax.evaluate import evaluator
from ipixmatch_jax.models.layers.resize import resize_align_corners
from ipixmatch_jax.models.segmenter import Segmenter


class Averaging(NamedTuple):
    """What the softmax maps are averaged over.

    Attributes:
      scales: factors of height and width; bilinear with aligned corners.
      flip: whether the mirror image (left to right) of each is used too.
    """

    scales: tuple[float, ...] = (1.0,)
    flip: bool = False


PLAIN = Averaging()


def average_probabilities(
    network: Segmenter,
    variables: dict,
    images: jax.Array,
    sizes: jax.Array | None = None,
    averaging: Averaging = PLAIN,
) -> jax.Array:
    """Class probabilities of a batch of images.

    Args:
      network: a Segmenter.
      variables: its params and batch_stats.
      images: uint8 [B, H, W, C].
      sizes: int32 [B, 2], true heights and widths; None: H and W.
      averaging: what to average over; by default nothing.

    Returns:
      float32 [B, H, W, K]; without meaning outside the true sizes.
    """
    images = evaluator.normalise_images(network, images)
    if averaging.scales == (1.0,):
        return _shares(network, variables, images, sizes, averaging.flip)
    shape = images.shape[1], images.shape[2]
    total = jnp.float32(0)
    for scale in averaging.scales:
        # The padded shape is rounded like the true sizes.
        height, width = _scaled(np.asarray(shape), scale, np).tolist()
        scaled = None if sizes is None else _scaled(sizes, scale, jnp)
        x = resize_align_corners(images, (height, width), sizes, scaled)
        x = _shares(network, variables, x, scaled, averaging.flip)
        total = total + resize_align_corners(x, shape, scaled, sizes)
    return total / len(averaging.scales)


def _shares(network, variables, images, sizes, flip):
    """Softmax of normalised images, or its mean with the mirror images'."""
    if flip:
        # In one forward, which compiles once. An image and its mirror image
        # are neighbours in the batch, so both stay on one device.
        images = jnp.stack([images, _mirror(images, sizes)], 1)
        images = images.reshape(-1, *images.shape[2:])
        twice = None if sizes is None else jnp.repeat(sizes, 2, axis=0)
        both = evaluator.class_scores(network, variables, images, twice)
        both = jax.nn.softmax(both)
        return (both[::2] + _mirror(both[1::2], sizes)) / 2
    scores = evaluator.class_scores(network, variables, images, sizes)
    return jax.nn.softmax(scores)


def _scaled(sizes, scale, xp):
    """Sides times a scale, rounded; an empty slot stays empty."""
    # In whole thousandths, so that NumPy and XLA round alike.
    scaled = (sizes * round(1000 * scale) + 500) // 1000
    return xp.where(sizes > 0, xp.maximum(scaled, 1), 0)


def _mirror(x, sizes):
    """Mirrors each image left to right within its true width."""
    if sizes is None:
        return x[:, :, ::-1]
    at, width = jnp.arange(x.shape[2])[None], sizes[:, 1:]
    at = jnp.where(at < width, width - 1 - at, at)
    return jnp.take_along_axis(x, at[:, None, :, None], axis=2)


# Cached by the arguments, so that each program compiles once per shape.
@functools.lru_cache(maxsize=8)
def jit_predict(
    network: Segmenter, averaging: Averaging, mesh: Mesh | None
) -> Callable:
    """(variables, images, sizes) -> ids uint8, their probability float32."""

    def run(variables, images, sizes):
        shares = average_probabilities(
            network, variables, images, sizes, averaging
        )
        ids = jnp.argmax(shares, axis=-1).astype(jnp.uint8)
        return ids, jnp.max(shares, axis=-1)

    return _jit(run, mesh)


@functools.lru_cache(maxsize=8)
def jit_probabilities(
    network: Segmenter, averaging: Averaging, mesh: Mesh | None
) -> Callable:
    """(variables, images, sizes) -> probabilities float32 [B, H, W, K]."""

    def run(variables, images, sizes):
        return average_probabilities(
            network, variables, images, sizes, averaging
        )

    return _jit(run, mesh)


def _jit(run: Callable, mesh: Mesh | None) -> Callable:
    if mesh is None:
        return jax.jit(run)
    return jax.jit(run, out_shardings=sharding.batch_sharding(mesh))
