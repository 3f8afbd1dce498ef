"""CutMix boxes of a given share of the crop (French et al., CPS)."""

import numpy as np


def draw_boxes(
    rng: np.random.Generator,
    crop_size: int,
    area: tuple[float, float],
    count: int = 1,
) -> np.ndarray:
    """Draws boxes inside the crop that together cover a share of it.

    Each box gets an area of its own draw, divided by `count`. Its height is the
    area to the power of a uniform exponent, so that tall and wide boxes are
    equally likely.

    Args:
      rng: a generator; the draws advance it.
      crop_size: side of the crop in pixels.
      area: least and greatest share of the crop; uniform between them.
      count: number of boxes; nothing is pasted where two overlap.

    Returns:
      int32 [count, 4], (y0, x0, y1, x1), sides rounded to pixels.
    """
    share = rng.uniform(*area, count)
    heights = share ** rng.uniform(0, 1, count)
    sides = np.stack([heights, share / heights], 1) / np.sqrt(count)
    sides = np.round(sides * crop_size)
    start = np.round((crop_size - sides) * rng.uniform(0, 1, (count, 2)))
    return np.concatenate([start, start + sides], 1).astype(np.int32)
