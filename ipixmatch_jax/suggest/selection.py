"""Chooses images that are uncertain and differ from one another."""

import numpy as np

# Squared distances below this share of the squared lengths are rounding: the
# features of one picture differ that much between two batches.
_SAME = 1e-10
# Digits of a disagreement; more are rounding, as with a teacher that is still
# a copy of the student.
_DIGITS = 6
_BLOCK = 256  # Labelled images whose distances are held at once.


def rank(values: np.ndarray) -> np.ndarray:
    """Each value's rank from the least up, as a share in (0, 1].

    Equal values share the mean of their ranks.
    """
    ordered = np.sort(values)
    below = np.searchsorted(ordered, values, "left")
    upto = np.searchsorted(ordered, values, "right")
    return (below + upto + 1) / (2 * len(values))


def score_images(
    entropy: np.ndarray, disagreement: np.ndarray | None
) -> np.ndarray:
    """The mean of the ranks of entropy and disagreement (ours).

    Ranks, because the scales of the two differ by orders of magnitude, and
    by how much changes during training.

    Args:
      entropy: [N].
      disagreement: [N]; None for a single network, whose entropy alone counts.

    Returns:
      float64 [N] in (0, 1].
    """
    if disagreement is None:
        return rank(entropy)
    disagreement = np.round(disagreement, _DIGITS)
    return (rank(entropy) + rank(disagreement)) / 2


def choose_spread(
    features: np.ndarray,
    scores: np.ndarray,
    count: int,
    taken: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Chooses images with high scores that differ from one another.

    Greedy k-centre (Sener & Savarese 2018, "Active Learning for
    Convolutional Neural Networks: A Core-Set Approach"): start from the
    labelled images and choose, again and again, the image farthest from its
    nearest centre. Ours: the distance is multiplied by the score. Among equal
    images the first is chosen, so the result is always the same.

    Args:
      features: float [N, C].
      scores: float [N], above 0.
      count: how many to choose, at most N.
      taken: float [L, C], features of the labelled images; L may be 0.

    Returns:
      chosen: int64 [count], positions, in the order of the choice.
      cluster: int64 [N], the place (from 1) of the chosen image nearest to
        each; 0 where a labelled image is as near.
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
        gains = np.zeros(
            len(features)
        )  # Without a centre the scores alone count.
        if np.isfinite(nearest).all():
            gains = scores * nearest
        # If all images repeat those chosen before, the score decides.
        best = np.lexsort((-scores, -gains, ~free))[0]
        free[best] = False
        chosen.append(best)
        apart = _distances(features, features[best : best + 1])[:, 0]
        cluster[apart < nearest] = place
        nearest = np.minimum(nearest, apart)
    return np.asarray(chosen, np.int64), cluster


def _distances(features, centres):
    """Euclidean distances float64 [N, M], exactly 0 between equal rows."""
    lengths = (features**2).sum(1)[:, None] + (centres**2).sum(1)
    squares = lengths - 2 * features @ centres.T
    return np.sqrt(np.where(squares > _SAME * lengths, squares, 0))
