"""How uncertain networks are about images, in one compiled program."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ipixmatch_jax.evaluate.evaluator import normalise_images
from ipixmatch_jax.evaluate.resized_images import (
    nearest_size,
    resize_images,
    resize_logits_back,
)
from ipixmatch_jax.models.layers.conv import shrink_sizes
from ipixmatch_jax.models.segmenter import Segmenter


class Examination(NamedTuple):
    """What networks predict about a batch of images.

    Attributes:
      entropy: float32 [B] in [0, 1], mean over the pixels.
      disagreement: float32 [B] in [0, 1], mean over the pixels; 0 for a
        single network.
      features: float32 [B, C], the deepest features of the first network,
        mean over the image.
      entropy_map: float32 [B, H, W] in [0, 1], 0 outside the true sizes.
    """

    entropy: jax.Array
    disagreement: jax.Array
    features: jax.Array
    entropy_map: jax.Array


def measure_uncertainty(
    probabilities: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """How uncertain networks are of each pixel, and how much they differ.

    Args:
      probabilities: float [M, ..., K] of M networks, each summing to 1.

    Returns:
      the entropy of the networks' mean, divided by log K, and their
      Jensen-Shannon divergence (the mean KL divergence of each network from
      that mean), divided by log M, or 0 if M is 1; both [...] in [0, 1].
    """
    members, classes = probabilities.shape[0], probabilities.shape[-1]
    tiny = jnp.finfo(probabilities.dtype).tiny
    log = jnp.log(jnp.maximum(probabilities, tiny))
    mean = probabilities.mean(0)
    log_mean = jnp.log(jnp.maximum(mean, tiny))
    entropy = -(mean * log_mean).sum(-1) / np.log(classes)
    if members == 1:
        return entropy, jnp.zeros_like(entropy)
    # Not as a difference of entropies: this is exactly 0 for equal networks.
    apart = (probabilities * (log - log_mean)).sum(-1).mean(0)
    return entropy, jnp.maximum(apart, 0) / np.log(members)


@functools.partial(jax.jit, static_argnums=0)
def examine_batch(
    network: Segmenter,
    members: tuple[dict, ...],
    images: jax.Array,
    sizes: jax.Array | None = None,
) -> Examination:
    """Examines whole images, each in one forward per network.

    Args:
      network: a Segmenter.
      members: params and batch_stats of each network; the features are those
        of the first.
      images: uint8 [B, H, W, C].
      sizes: int32 [B, 2], true heights and widths; None: H and W.
    """
    images = normalise_images(network, images)
    _, height, width, _ = images.shape
    area = height, width
    seen, inside = images, sizes
    if not network.exact_when_padded:  # It sees no padding at its own size.
        size = nearest_size(images.shape, network.side_multiple)
        seen, inside = resize_images(images, size, sizes), None
    probabilities, deepest = [], []
    for variables in members:
        # flax returns tuples only where collections are mutable.
        apply: Callable[..., Any] = functools.partial(network.apply, variables)
        features = apply(seen, False, inside, method="encode")
        logits = apply(
            features, seen.shape[1:3], False, inside, method="decode"
        )
        if not network.exact_when_padded:
            logits = resize_logits_back(logits, area, sizes)
        probabilities.append(jax.nn.softmax(logits))
        deepest.append(features[-1].astype(jnp.float32))
    entropy, disagreement = measure_uncertainty(jnp.stack(probabilities))
    deep_sizes = shrink_sizes(inside, network.strides[-1])
    return Examination(
        _mean(entropy, sizes),
        _mean(disagreement, sizes),
        _mean(deepest[0], deep_sizes),
        jnp.where(_inside(area, sizes), entropy, 0),
    )


def _inside(area, sizes):
    """bool [B, H, W], or [1, H, W] without padding."""
    if sizes is None:
        return jnp.ones((1, *area), bool)
    rows = jnp.arange(area[0]) < sizes[:, :1]
    cols = jnp.arange(area[1]) < sizes[:, 1:]
    return rows[:, :, None] & cols[:, None, :]


def _mean(x, sizes):
    """Mean of x [B, H, W, ...] over the true sizes."""
    inside = _inside(x.shape[1:3], sizes)
    inside = inside.reshape(*inside.shape, *(1,) * (x.ndim - 3))
    total = jnp.where(inside, x, 0).sum((1, 2))
    return total / jnp.maximum(inside.sum((1, 2)), 1)
