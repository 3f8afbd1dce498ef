"""Large images in overlapping windows, whose probabilities are summed."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from ipixmatch_jax.evaluate.evaluator import window_starts
from ipixmatch_jax.evaluate.shifted_windows import shifted_starts

# Images of more pixels are cut into windows (ours): the memory of a forward
# then no longer grows with the image.
LARGE = 2048 * 2048
WINDOW = 1024  # Side of these windows in pixels, unless crops are larger.

# (parts of an image uint8 [h, w, C], padded shape, slots) -> probabilities
# [slots, *shape, K] on the devices.
Program = Callable[[list[np.ndarray], tuple[int, int], int], object]


class Windows(NamedTuple):
    """Which images are cut into windows (as evaluate.class_scores does it).

    Attributes:
      side: of a window in pixels.
      above: images of more pixels than this are cut.
    """

    side: int = WINDOW
    above: int = LARGE


LARGE_ALONE = Windows()


def sum_windows(
    run: Program,
    image: np.ndarray,
    side: int,
    slots: int,
    *,
    shifted: bool = False,
) -> Iterator[tuple[int, np.ndarray]]:
    """Sums the probabilities of an image's windows, strip by strip.

    Holds one row of windows at a time.

    Args:
      run: predicts parts of the image.
      image: uint8 [H, W, C].
      side: of a window in pixels.
      slots: windows of a forward.
      shifted: the last windows are shifted to the border, and every window
        is whole (UniMatch V2); else they are clipped (v1).

    Yields:
      the first row of each strip, from the top, and its sums float32
      [h, W, K]; divide them by their sum over K to get probabilities.
    """
    height = image.shape[0]
    starts = shifted_starts if shifted else window_starts
    rows = starts(height, side)
    rest = None
    for top, end in zip(rows, [*rows[1:], height], strict=True):
        strip = image[top : top + side]
        columns = starts(strip.shape[1], side)
        shape = _fitting(strip, side) if shifted else (side, side)
        total = _sum_row(run, strip, columns, shape, slots)
        if rest is not None:
            total[: len(rest)] += rest
        yield top, total[: end - top]
        rest = total[end - top :]


def _fitting(strip: np.ndarray, side: int) -> tuple[int, int]:
    """Height and width of a strip's windows."""
    return strip.shape[0], min(strip.shape[1], side)


def _sum_row(
    run: Program,
    strip: np.ndarray,
    columns: list[int],
    shape: tuple[int, int],
    slots: int,
) -> np.ndarray:
    """Sums [h, W, K] of the probabilities of one row of windows."""
    total: np.ndarray | None = None
    for start in range(0, len(columns), slots):
        lefts = columns[start : start + slots]
        parts = [strip[:, left : left + shape[1]] for left in lefts]
        shares = np.asarray(run(parts, shape, slots))
        if total is None:
            total = np.zeros((*strip.shape[:2], shares.shape[-1]), np.float32)
        for left, part, share in zip(lefts, parts, shares, strict=False):
            h, w = part.shape[:2]
            total[:, left : left + w] += share[:h, :w]
    assert total is not None  # An image has a window.
    return total
