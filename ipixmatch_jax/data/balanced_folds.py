"""Folds of images in which every class is spread as evenly as can be.

Source: iterative stratification (Sechidis, Tsoumakas & Vlahavas 2011, "On the
stratification of multi-label data", algorithm 1): the class that the fewest
images are left of is dealt out first, each image to the fold that lacks the
class most. Ties go to the fold with the fewest images, and then to the first
one, where the paper draws. Ours is that folds are of nearly equal size: a full
one takes no more images.
"""

from collections.abc import Iterator, Sequence

import numpy as np


def balance_folds(
    classes: Sequence[frozenset[int]], folds: int
) -> tuple[int, ...]:
    """The fold of each image, from 0.

    Args:
      classes: the ids of the classes that each image shows.
      folds: how many; at most as many as images. Their sizes differ by one at
        most.
    """
    names = sorted(frozenset().union(*classes))
    shown = np.array([[n in one for n in names] for one in classes], int)
    shown = shown.reshape(len(classes), len(names))
    # `folds` times the images that a fold still lacks, in all and by class:
    # whole numbers, so that ties are exact.
    lacking = np.full(folds, len(classes))
    lacking_shown = np.tile(shown.sum(0), (folds, 1))
    sizes = np.zeros(folds, int)
    found = np.full(len(classes), -1)
    for image, column in _rarest_first(shown, found):
        open_ = _open_folds(sizes, len(classes))
        wish = lacking_shown[:, column] if column is not None else lacking
        fold = min(open_, key=lambda k: (-wish[k], -lacking[k], k))
        found[image] = fold
        sizes[fold] += 1
        lacking[fold] -= folds
        lacking_shown[fold] -= folds * shown[image]
    return tuple(found.tolist())


def _rarest_first(
    shown: np.ndarray, found: np.ndarray
) -> Iterator[tuple[int, int | None]]:
    """(image, class) in the order of dealing; None for images of no class.

    Args:
      shown: [images, classes], 1 where an image shows a class.
      found: the folds of the images, -1 where there is none yet; the caller
        fills it.
    """
    while True:
        left = shown[found < 0].sum(0)
        if not left.any():
            break
        column = min(np.flatnonzero(left), key=lambda i: (left[i], i))
        for image in np.flatnonzero((found < 0) & (shown[:, column] > 0)):
            yield int(image), int(column)
    for image in np.flatnonzero(found < 0):
        yield int(image), None


def _open_folds(sizes: np.ndarray, images: int) -> list[int]:
    """The folds that may take one more image."""
    each, larger = divmod(images, len(sizes))
    most = each + (np.count_nonzero(sizes > each) < larger)
    return np.flatnonzero(sizes < most).tolist()
