"""CutMix boxes of a given share of the crop (French et al., CPS)."""

import numpy as np


def draw(
    rng: np.random.Generator,
    crop_size: int,
    area: tuple[float, float],
    count: int = 1,
) -> np.ndarray:
    """Boxes inside the crop, their areas the given share of it together.

    Each box takes 1/count of an area of its own. Its height is a power of
    the area, uniform in the exponent, so that tall and wide boxes are alike.

    Args:
      rng: a generator; the draws advance it.
      crop_size: side of the crop in pixels.
      area: least and greatest share of the crop; uniform between them.
      count: boxes; where two overlap nothing is pasted.

    Returns:
      int32 [count, 4], (y0, x0, y1, x1), sides rounded to pixels.
    """
    share = rng.uniform(*area, count)
    heights = share ** rng.uniform(0, 1, count)
    sides = np.stack([heights, share / heights], 1) / np.sqrt(count)
    sides = np.round(sides * crop_size)
    start = np.round((crop_size - sides) * rng.uniform(0, 1, (count, 2)))
    return np.concatenate([start, start + sides], 1).astype(np.int32)
