"""Windows of an image that is never whole in memory, blended where they meet.

Windows lie at even distances and share at least `overlap` pixels with their
neighbours. The weight of a window's probabilities rises linearly from its
edges over the pixels that it shares, and the weights at a pixel sum to 1, so
no seams show (ours; the weights are those of a linear cross-fade). Of
everything that is predicted, only the rows that the next windows share are
kept: overlap x width x classes floats.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ipixmatch_jax.data.files.tiff_windows import Place


class Grid(NamedTuple):
    """The windows along the two sides of an image.

    Attributes:
      rows: the first row of each row of windows.
      columns: the first column of each column of windows.
      shape: (height, width) of every window.
      size: (height, width) of the image.
    """

    rows: list[int]
    columns: list[int]
    shape: tuple[int, int]
    size: tuple[int, int]


class Finished(NamedTuple):
    """The part of a prediction that no later window changes.

    Attributes:
      place: where it lies.
      shares: probabilities float32 [h, w, K], which sum to 1.
    """

    place: Place
    shares: np.ndarray


# Places of one shape -> their probabilities float32 [h, w, K], in order.
Predict = Callable[[Sequence[Place]], Iterator[np.ndarray]]


def make_grid(size: tuple[int, int], side: int, overlap: int) -> Grid:
    """Lays windows over an image.

    Args:
      size: (height, width) of the image in pixels.
      side: of a window; an image that is shorter has one as short.
      overlap: the least pixels that neighbours share, below `side`.
    """
    height, width = size
    return Grid(
        _starts(height, side, overlap),
        _starts(width, side, overlap),
        (min(height, side), min(width, side)),
        size,
    )


def _starts(length: int, side: int, overlap: int) -> list[int]:
    """First pixels of windows at even distances, rounded down."""
    if length <= side:
        return [0]
    gaps = -(-(length - side) // (side - overlap))
    return [i * (length - side) // gaps for i in range(gaps + 1)]


def axis_weights(
    starts: Sequence[int], side: int, length: int
) -> list[np.ndarray]:
    """The weights of windows along one axis, float32 [side] each.

    A weight rises by equal steps over the pixels shared with the window
    before, and falls in the same way over those shared with the next. At each
    pixel the weights of all windows are divided by their sum.

    Args:
      starts: first pixels of the windows, rising.
      side: of a window in pixels.
      length: of the axis in pixels.
    """
    at = np.arange(side) + 0.5
    raw = []
    for i, start in enumerate(starts):
        weight = np.ones(side)
        if i > 0:
            shared = starts[i - 1] + side - start
            weight = np.minimum(weight, at / max(shared, 1))
        if i + 1 < len(starts):
            shared = start + side - starts[i + 1]
            weight = np.minimum(weight, (side - at) / max(shared, 1))
        raw.append(weight)
    total = np.zeros(length)
    for start, weight in zip(starts, raw, strict=True):
        total[start : start + side] += weight
    return [
        (weight / total[start : start + side]).astype(np.float32)
        for start, weight in zip(starts, raw, strict=True)
    ]


def blend_windows(grid: Grid, predict: Predict) -> Iterator[Finished]:
    """Predicts the windows of a grid and blends them.

    Args:
      grid: see `make_grid`.
      predict: the probabilities of windows.

    Yields:
      parts that cover the image once, from the top and each row of windows
      from the left.
    """
    height, width = grid.shape
    down = axis_weights(grid.rows, height, grid.size[0])
    across = axis_weights(grid.columns, width, grid.size[1])
    ends = [*grid.columns[1:], grid.size[1]]
    bottoms = [*grid.rows[1:], grid.size[0]]
    # The rows that earlier rows of windows left, made once: many pieces that
    # come and go would leave holes in the memory of the process.
    kept: np.ndarray | None = None
    shared = 0
    for top, bottom, rows in zip(grid.rows, bottoms, down, strict=True):
        places = [Place(top, left, height, width) for left in grid.columns]
        edge = None
        for i, shares in enumerate(predict(places)):
            left, end = grid.columns[i], ends[i]
            part = shares * rows[:, None, None] * across[i][:, None]
            if kept is None:
                size = (_shared(grid), grid.size[1], part.shape[-1])
                kept = np.zeros(size, np.float32)
            if edge is not None:
                part[:, : edge.shape[1]] += edge
            edge = part[:, end - left :].copy()
            part = part[:, : end - left]
            part[:shared] += kept[:shared, left:end]
            rest = part[bottom - top :]
            kept[: len(rest), left:end] = rest
            done = Place(top, left, bottom - top, end - left)
            yield Finished(done, part[: bottom - top])
        shared = top + height - bottom


def _shared(grid: Grid) -> int:
    """The most rows that two rows of windows share."""
    height = grid.shape[0]
    pairs = itertools.pairwise(grid.rows)
    return max((a + height - b for a, b in pairs), default=0)
