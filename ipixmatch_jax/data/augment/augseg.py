"""AugSeg's strong view: drawing its parameters, and applying them.

A view applies one to three of eleven operations, drawn with replacement, with
the ranges of AugSeg's published code; its rounding up makes posterize keep 4 to
7 bits. As in weak_strong.py, the host draws the parameters, and one function
applies them to floats on [0, 1], with numpy or jax.numpy as its argument `xp`.
Pillow rounds to 8 bits after every operation; here only equalize and posterize
do. For a channel other than red, green and blue (see weak_strong.py) the luma
is the channel itself, and the hue operation leaves it unchanged.
"""

import functools
from typing import Any, NamedTuple

import numpy as np

from ipixmatch_jax.data.augment import weak_strong
from ipixmatch_jax.data.augment.blur import gaussian_blur
from ipixmatch_jax.data.augment.view_recipes import Recipe

Array = Any  # numpy.ndarray or jax.Array.

# AugSeg.
MOST = 3  # Operations of an image; the least is one.
SIGMA = (0.1, 2.0)  # Of the blur, pixels.
FACTORS = (0.05, 0.95)  # Contrast, brightness, colour, sharpness.
HUE = 0.5  # Greatest shift in turns, either way.
BITS = (4, 7)  # Kept by posterize, both included.
SOLARIZE = (1, 255)  # Least inverted level, both included.
# Parameters of the beta distribution of 1 - area of a box.
INJECTED = (8.0, 2.0)  # The box of labelled pixels.
MIXED = (4.0, 4.0)  # The CutMix box.


class Intensity(NamedTuple):
    """The operations of one image; batches are stacked along a new axis.

    Attributes:
      operations: int32 [3], positions in `OPERATIONS`, in order; 0 = none.
      magnitudes: float32 [3], see `OPERATIONS`; 0 where there is none.
    """

    operations: Array
    magnitudes: Array


def draw_view(rng: np.random.Generator, crop_size: int) -> dict[str, Any]:
    """Draws a strong view and the boxes of its CutMix.

    AugSeg draws the size of a box once per batch and its place once per image;
    here both are drawn once per image.

    Args:
      rng: a generator; the draws advance it.
      crop_size: side of the crop in pixels.

    Returns:
      intensity: an `Intensity`.
      inject: float32, uniform on [0, 1): labelled pixels are injected if it
        is above the image's confidence.
      labelled_box: int32 [4], (y0, x0, y1, x1) of those pixels.
      box_1: int32 [4], the CutMix box.
    """
    return {
        "intensity": draw_intensity(rng),
        "inject": np.float32(rng.random()),
        "labelled_box": _draw_box(rng, crop_size, INJECTED),
        "box_1": _draw_box(rng, crop_size, MIXED),
    }


def draw_intensity(rng: np.random.Generator) -> Intensity:
    """Draws how many operations, which, and how strong each is."""
    count = rng.integers(1, MOST, endpoint=True)
    operations = np.zeros(MOST, np.int32)
    operations[:count] = rng.integers(0, len(OPERATIONS), count)
    magnitudes = [_draw_magnitude(rng, OPERATIONS[i]) for i in operations]
    return Intensity(operations, np.asarray(magnitudes, np.float32))


def _draw_magnitude(rng: np.random.Generator, operation) -> float:
    if operation is _blur:
        return rng.uniform(*SIGMA)
    if operation in (_contrast, _brightness, _colour, _sharpness):
        return rng.uniform(*FACTORS)
    if operation is _posterize:
        return float(rng.integers(*BITS, endpoint=True))
    if operation is _solarize:
        return float(rng.integers(*SOLARIZE, endpoint=True))
    if operation is _hue:
        return rng.uniform(-HUE, HUE)
    return 0.0


def _draw_box(
    rng: np.random.Generator, crop_size: int, beta: tuple[float, float]
) -> np.ndarray:
    """Draws a square of area 1 - lambda about a point, cut at the edges.

    As in AugSeg, the point never lies in the first eighth of either axis.
    """
    half = int(crop_size * np.sqrt(1 - rng.beta(*beta))) // 2
    centre = rng.integers(crop_size // 8, crop_size, 2)
    corners = np.concatenate([centre - half, centre + half])
    return np.clip(corners, 0, crop_size).astype(np.int32)


def apply_view(batch: dict[str, Any], xp: Any) -> dict[str, Array]:
    """Computes the views of an unlabelled batch, before CutMix.

    Args:
      batch: image uint8 [B,S,S,C], valid bool [B,S,S], and everything that
        `draw_view` draws, batched.
      xp: numpy or jax.numpy.

    Returns:
      weak and strong_1, float32 [B,S,S,C] on [0, 1]; and inject,
      labelled_box, box_1 and valid, unchanged.
    """
    weak = weak_strong.to_unit_range(batch["image"], xp)
    kept = ("inject", "labelled_box", "box_1", "valid")
    return {name: batch[name] for name in kept} | {
        "weak": weak,
        "strong_1": apply_intensity(weak, batch["intensity"], xp),
    }


def apply_intensity(image: Array, intensity: Intensity, xp: Any) -> Array:
    """Applies each image's operations, one after the other.

    Args:
      image: float32 [B,S,S,C] on [0, 1].
      intensity: batched along B.
      xp: numpy or jax.numpy.

    Returns:
      float32 [B,S,S,C] on [0, 1].
    """
    planes = xp.moveaxis(image, -1, 1)
    for place in range(MOST):
        planes = _one_of_all(
            planes,
            intensity.operations[:, place],
            intensity.magnitudes[:, place],
            xp,
        )
    return xp.moveaxis(planes, 1, -1)


def _one_of_all(
    planes: Array, operations: Array, magnitudes: Array, xp: Any
) -> Array:
    """Applies to each image the operation that it has at one place.

    jax's fixed shapes put every image through every operation and keep one
    result. NumPy applies each operation only to the images that have it.
    """
    result = planes.copy()
    for number, operation in enumerate(OPERATIONS):
        chosen = operations == number
        if xp is not np:
            changed = operation(planes, magnitudes, xp)
            result = xp.where(chosen[:, None, None, None], changed, result)
        elif chosen.any():
            result[chosen] = operation(planes[chosen], magnitudes[chosen], np)
    return result


# Every operation: planes float32 [B,C,S,S], magnitude float32 [B] -> planes.


def _identity(planes: Array, magnitude: Array, xp: Any) -> Array:
    del magnitude, xp
    return planes


def _autocontrast(planes: Array, magnitude: Array, xp: Any) -> Array:
    """Stretches each channel to 0 .. 1; leaves a constant one as it is."""
    del magnitude
    low = planes.min((2, 3), keepdims=True)
    span = planes.max((2, 3), keepdims=True) - low
    # Less than half of an 8-bit level is rounding, not contrast.
    flat = span < np.float32(0.5 / 255)
    return xp.where(flat, planes, (planes - low) / xp.where(flat, 1, span))


def _equalize(planes: Array, magnitude: Array, xp: Any) -> Array:
    """Maps each channel's 8-bit levels by cumulated counts, as Pillow."""
    del magnitude
    levels = _levels(planes, xp).reshape(*planes.shape[:2], -1)
    counts = _counts(levels, xp)
    up_to = xp.cumsum(counts, -1)
    below = up_to - counts
    # The last level's own pixels do not count, so it is mapped to 255.
    last = xp.where(counts > 0, below, 0).max(-1, keepdims=True)
    step = last // 255
    equal = (step // 2 + below) // xp.maximum(step, 1)
    same = xp.arange(256, dtype=equal.dtype)
    table = xp.where(step > 0, xp.minimum(equal, 255), same)
    table = table.astype(xp.float32) / np.float32(255)
    return xp.take_along_axis(table, levels, -1).reshape(planes.shape)


def _counts(levels: Array, xp: Any) -> Array:
    """Integer [B,C,256] from int32 [B,C,N]: pixels of each level."""
    # jax needs the number of bins as `length`; NumPy only has `minlength`.
    fixed = {} if xp is np else {"length": 256}
    count = functools.partial(xp.bincount, minlength=256, **fixed)
    return xp.vectorize(count, signature="(n)->(k)")(levels)


def _blur(planes: Array, magnitude: Array, xp: Any) -> Array:
    """Blurs; the magnitude is the Gaussian's sigma in pixels."""
    return gaussian_blur(planes, magnitude, xp)


def _contrast(planes: Array, magnitude: Array, xp: Any) -> Array:
    """Blends with the mean luma."""
    mean = _luma(planes, xp).mean((2, 3), keepdims=True)
    return _blend(mean, planes, magnitude)


def _brightness(planes: Array, magnitude: Array, xp: Any) -> Array:
    """Blends with black."""
    del xp
    return _blend(np.float32(0), planes, magnitude)


def _colour(planes: Array, magnitude: Array, xp: Any) -> Array:
    """Blends with each pixel's luma."""
    return _blend(_luma(planes, xp), planes, magnitude)


def _sharpness(planes: Array, magnitude: Array, xp: Any) -> Array:
    """Blends with a 3x3 smoothing; as in Pillow, the outermost pixels stay."""
    middle = planes[:, :, 1:-1, 1:-1]
    rows = planes[:, :, :-2] + planes[:, :, 1:-1] + planes[:, :, 2:]
    square = rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]
    smooth = (square + 4 * middle) / 13
    change = (1 - magnitude[:, None, None, None]) * (smooth - middle)
    return planes + xp.pad(change, [(0, 0), (0, 0), (1, 1), (1, 1)])


def _posterize(planes: Array, magnitude: Array, xp: Any) -> Array:
    """Keeps the highest bits of each 8-bit level; the magnitude counts them."""
    # round: not every exp2 is exact. maximum: jax also passes the magnitudes
    # of other operations, whose results are then dropped.
    width = xp.maximum(xp.round(xp.exp2(8 - magnitude)), 1)
    width = width[:, None, None, None]
    levels = _levels(planes, xp).astype(xp.float32)
    return xp.floor(levels / width) * width / np.float32(255)


def _solarize(planes: Array, magnitude: Array, xp: Any) -> Array:
    """Inverts the pixels at or above the magnitude, an 8-bit level."""
    bright = _levels(planes, xp) >= magnitude[:, None, None, None]
    return xp.where(bright, 1 - planes, planes)


def _hue(planes: Array, magnitude: Array, xp: Any) -> Array:
    """Shifts the hue by the magnitude, in turns."""
    if not weak_strong.colour_channels(planes.shape[1]):
        return planes
    rgb = planes[:, 0], planes[:, 1], planes[:, 2]
    turned = xp.stack(weak_strong.shift_hue(rgb, magnitude, xp), 1)
    return _beside(turned, planes, xp)


def _levels(planes: Array, xp: Any) -> Array:
    """Rounds to 8-bit levels, int32."""
    return xp.floor(planes * 255 + np.float32(0.5)).astype(xp.int32)


def _luma(planes: Array, xp: Any) -> Array:
    """The luma [B,1,S,S] of RGB; [B,C,S,S], one per channel, of the rest."""
    if not weak_strong.colour_channels(planes.shape[1]):
        return planes
    luma = weak_strong.luma_of((planes[:, :1], planes[:, 1:2], planes[:, 2:3]))
    if planes.shape[1] == 3:
        return luma
    return _beside(xp.repeat(luma, 3, axis=1), planes, xp)


def _beside(rgb: Array, planes: Array, xp: Any) -> Array:
    """Appends the channels of `planes` beyond the third to new [B,3,S,S]."""
    if planes.shape[1] == 3:
        return rgb
    return xp.concatenate([rgb, planes[:, 3:]], 1)


def _blend(reference: Array, planes: Array, factor: Array) -> Array:
    return reference + factor[:, None, None, None] * (planes - reference)


OPERATIONS = (
    _identity,
    _autocontrast,
    _equalize,
    _blur,  # Magnitude: sigma, pixels.
    _contrast,  # Factor, like the next three; 1 leaves the image unchanged.
    _brightness,
    _colour,
    _sharpness,
    _posterize,  # Bits.
    _solarize,  # 8-bit level.
    _hue,  # Turns.
)

RECIPE = Recipe(draw_view, apply_view)
