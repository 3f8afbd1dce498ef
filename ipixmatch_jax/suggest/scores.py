"""Which unlabelled images to label next:

python -m ipixmatch_jax.suggest --workdir DIR -n 20
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ipixmatch_jax.evaluate.evaluator import normalised
from ipixmatch_jax.models.layers.conv import shrink
from ipixmatch_jax.models.segmenter import Segmenter

# Squared distances below this share of the squared lengths are rounding: the
# features of one picture differ by so much between two batches.
_SAME = 1e-10
# More of a disagreement is rounding, as of a teacher that is still a copy.
_DIGITS = 6
_BLOCK = 256  # Labelled images whose distances are held at once.


class Examined(NamedTuple):
    """What networks say about a batch of images.

    Attributes:
      entropy: float32 [B] in [0, 1], mean over the pixels.
      disagreement: float32 [B] in [0, 1], mean over the pixels; 0 of a
        single network.
      features: float32 [B, C], the first network's c4, mean over the image.
      entropy_map: float32 [B, H, W] in [0, 1], 0 outside the true sizes.
    """

    entropy: jax.Array
    disagreement: jax.Array
    features: jax.Array
    entropy_map: jax.Array


def uncertainty(probabilities: jax.Array) -> tuple[jax.Array, jax.Array]:
    """How little networks know of each pixel, and how they differ.

    Args:
      probabilities: float [M, ..., K] of M networks, each summing to 1.

    Returns:
      the entropy of the mean over the networks, as a share of log K, and
      their Jensen-Shannon divergence, the mean KL divergence of each from
      that mean, as a share of log M (0 where M is 1); both [...] in [0, 1].
    """
    members, classes = probabilities.shape[0], probabilities.shape[-1]
    tiny = jnp.finfo(probabilities.dtype).tiny
    log = jnp.log(jnp.maximum(probabilities, tiny))
    mean = probabilities.mean(0)
    log_mean = jnp.log(jnp.maximum(mean, tiny))
    entropy = -(mean * log_mean).sum(-1) / np.log(classes)
    if members == 1:
        return entropy, jnp.zeros_like(entropy)
    # Not as a difference of entropies: equal networks shall give exactly 0.
    apart = (probabilities * (log - log_mean)).sum(-1).mean(0)
    return entropy, jnp.maximum(apart, 0) / np.log(members)


@functools.partial(jax.jit, static_argnums=0)
def examine(
    network: Segmenter,
    members: tuple[dict, ...],
    images: jax.Array,
    sizes: jax.Array | None = None,
) -> Examined:
    """Looks at whole images, each in one forward per network.

    Args:
      network: a Segmenter.
      members: params and batch_stats of each network; the first one's
        features are taken.
      images: uint8 [B, H, W, C].
      sizes: int32 [B, 2], true heights and widths; None: H and W.
    """
    images = normalised(network, images)
    area = images.shape[1:3]
    probabilities, deepest = [], []
    for variables in members:
        apply = functools.partial(network.apply, variables)
        features = apply(images, False, sizes, method="encode")
        logits = apply(features, area, False, sizes, method="decode")
        probabilities.append(jax.nn.softmax(logits))
        deepest.append(features[-1].astype(jnp.float32))
    entropy, disagreement = uncertainty(jnp.stack(probabilities))
    deep_sizes = shrink(sizes, network.strides[-1])
    return Examined(
        _mean(entropy, sizes),
        _mean(disagreement, sizes),
        _mean(deepest[0], deep_sizes),
        jnp.where(_inside(area, sizes), entropy, 0),
    )


def _inside(area, sizes):
    """bool [B, H, W], or [1, H, W] where there is no padding."""
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


def ranks(values: np.ndarray) -> np.ndarray:
    """Each value's rank from the least up, as a share in (0, 1].

    Equal values share the mean of their ranks.
    """
    ordered = np.sort(values)
    below = np.searchsorted(ordered, values, "left")
    upto = np.searchsorted(ordered, values, "right")
    return (below + upto + 1) / (2 * len(values))


def score(entropy: np.ndarray, disagreement: np.ndarray | None) -> np.ndarray:
    """The mean of both ranks, float64 [N] in (0, 1].

    Ranks, because the two differ in scale by orders of magnitude, and by how
    much changes during training. Ours.

    Args:
      entropy: [N].
      disagreement: [N], or None of a single network: entropy alone counts.
    """
    if disagreement is None:
        return ranks(entropy)
    disagreement = np.round(disagreement, _DIGITS)
    return (ranks(entropy) + ranks(disagreement)) / 2


def spread(
    features: np.ndarray,
    scores: np.ndarray,
    count: int,
    taken: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Chooses images of high scores that differ from one another.

    Greedy k-centre (Sener & Savarese 2018, "Active Learning for
    Convolutional Neural Networks: A Core-Set Approach"), which starts from
    the labelled images and takes the image farthest from its nearest centre
    each time. Ours: the distance is multiplied by the score. Of equals the
    first one is taken, so the choice depends on nothing else.

    Args:
      features: float [N, C].
      scores: float [N], above 0.
      count: how many to choose, at most N.
      taken: float [L, C], features of the labelled images; L may be 0.

    Returns:
      chosen: int64 [count], positions, in the order of the choice.
      cluster: int64 [N], the chosen image nearest to each, counted from 1;
        0 where a labelled image is as near.
    """
    features = np.asarray(features, np.float64)
    taken = np.asarray(taken, np.float64)
    nearest = np.full(len(features), np.inf)
    for start in range(0, len(taken), _BLOCK):
        apart = _distances(features, taken[start : start + _BLOCK])
        nearest = np.minimum(nearest, apart.min(1))
    cluster = np.zeros(len(features), np.int64)
    free = np.ones(len(features), bool)
    chosen = []
    for place in range(1, count + 1):
        gains = np.zeros(len(features))  # Nothing is near: scores alone count.
        if np.isfinite(nearest).all():
            gains = scores * nearest
        # Where all are repetitions of what is taken, the score decides.
        best = np.lexsort((-scores, -gains, ~free))[0]
        free[best] = False
        chosen.append(best)
        apart = _distances(features, features[best : best + 1])[:, 0]
        cluster[apart < nearest] = place
        nearest = np.minimum(nearest, apart)
    return np.asarray(chosen, np.int64), cluster


def _distances(features, centres):
    """Euclidean distances float64 [N, M], 0 between what is the same."""
    lengths = (features**2).sum(1)[:, None] + (centres**2).sum(1)
    squares = lengths - 2 * features @ centres.T
    return np.sqrt(np.where(squares > _SAME * lengths, squares, 0))
