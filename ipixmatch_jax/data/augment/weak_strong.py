"""Weak and strong views: drawing their parameters, and applying them.

The host draws the parameters from a NumPy generator, with UniMatch v1's
distributions. One function applies them, with numpy or with jax.numpy: its
argument `xp` is either module.

Pixel values stay floats on [0, 1]. Pillow rounds to 8 bits after every
operation, so torchvision's results on PIL images differ from these by up to 3
levels of 255. A hue shift makes the difference up to 16 levels, below 2 on
average, because Pillow stores the hue in 256 steps.

Images have C channels. Of 3 or more, the first three are red, green and blue.
The remaining channels (those from the fourth, both of 2, or a single one) take
brightness, contrast about their own mean, and blur, but not saturation, hue
and grey (ours).
"""

import math
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from ipixmatch_jax.data.augment.blur import gaussian_blur
from ipixmatch_jax.data.source import (
    IGNORE,
    DecodedPicture,
    Picture,
    Sample,
    pixels,
)

Array = Any  # numpy.ndarray or jax.Array.
Planes = tuple[Array, ...]  # One [B,S,S] per channel.

# UniMatch v1.
SCALE = (0.5, 2.0)  # Of the resized image's long side to the original's.
FLIP = 0.5  # Probability, like the next three.
JITTER = 0.8
GREY = 0.2
BLUR = 0.5
FACTORS = (0.5, 1.5)  # Brightness, contrast, saturation.
HUE = 0.25  # Greatest shift in turns, either way.
SIGMA = (0.1, 2.0)  # Pixels.
MIX = 0.5  # Probability of a CutMix box.
MIX_AREA = (0.02, 0.4)  # Share of the crop.
MIX_RATIO = (0.3, 1 / 0.3)  # Height over width.


class Crop(NamedTuple):
    """A resized, padded, cropped and flipped image.

    Attributes:
      resized: (height, width) after resizing, before padding.
      offset: (y, x) of the crop in the resized and padded image.
      flip: whether the crop is mirrored left to right.
    """

    resized: tuple[int, int]
    offset: tuple[int, int]
    flip: bool


class StrongView(NamedTuple):
    """One strong view; a batch of them is stacked along a new first axis.

    Attributes:
      factors: float32 [3] of brightness, contrast, saturation; 1 = none.
      hue: float32, the shift in turns; 0 = none.
      order: int32 [4], the operations (0 brightness, 1 contrast,
        2 saturation, 3 hue) in the order in which they apply.
      grey: bool.
      sigma: float32, of the Gaussian blur in pixels; 0 = none.
      box: int32 [4], (y0, x0, y1, x1) of the CutMix box; zeros = none.
    """

    factors: Array
    hue: Array
    order: Array
    grey: Array
    sigma: Array
    box: Array


def draw_crop(
    rng: np.random.Generator, size_hw: tuple[int, int], crop_size: int
) -> Crop:
    """Draws scale, place and flip of a square crop (UniMatch v1).

    Args:
      rng: a generator; the draws advance it.
      size_hw: (height, width) of the image in pixels.
      crop_size: side of the crop in pixels.
    """
    height, width = size_hw
    long, short = max(size_hw), min(size_hw)
    low, high = (int(scale * long) for scale in SCALE)
    new_long = int(rng.integers(max(low, 1), high, endpoint=True))
    new_short = max(int(short * new_long / long + 0.5), 1)
    tall = height > width
    resized = (new_long, new_short) if tall else (new_short, new_long)
    y, x = (
        int(rng.integers(0, max(side - crop_size, 0), endpoint=True))
        for side in resized
    )
    return Crop(resized, (y, x), bool(rng.random() < FLIP))


def apply_crop(
    sample: Sample, crop: Crop, crop_size: int
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
    """Resizes (image bilinear, mask nearest), pads right and below, crops.

    Only the part that the crop shows is read, with the pixels around it that
    the filter needs, and resized with Pillow's `box`. So images that are read
    in windows give the values of those that are decoded whole. Compared with
    resizing the whole image first, a few percent of the values differ by one
    level and one in 10^6 by two, because Pillow rounds the box to float32 and
    orders its two 8-bit passes by size. Masks are equal.

    Returns:
      image uint8 [S,S,C], black in the padding; mask uint8 [S,S], 255 in the
      padding, or None; valid bool [S,S], False in the padding.
    """
    width, height = sample.image.size
    (y, x), (new_height, new_width) = crop.offset, crop.resized
    rows = min(new_height - y, crop_size)
    columns = min(new_width - x, crop_size)
    part = pixels(_resized_part(sample.image, crop, (columns, rows)))
    image = np.zeros((crop_size, crop_size, part.shape[-1]), np.uint8)
    image[:rows, :columns] = part
    valid = np.zeros((crop_size, crop_size), bool)
    valid[:rows, :columns] = True
    mask = None
    if sample.mask is not None:
        take_y = _nearest(height, new_height)[y : y + rows]
        take_x = _nearest(width, new_width)[x : x + columns]
        left, top = int(take_x[0]), int(take_y[0])
        box = (left, top, int(take_x[-1]) + 1, int(take_y[-1]) + 1)
        ids = np.asarray(sample.mask.crop(box))
        mask = np.full((crop_size, crop_size), IGNORE, np.uint8)
        mask[:rows, :columns] = ids[take_y - top][:, take_x - left]
    if crop.flip:
        image, valid = image[:, ::-1], valid[:, ::-1]
        mask = None if mask is None else mask[:, ::-1]
    return image, mask, valid


def _resized_part(
    image: Picture, crop: Crop, size: tuple[int, int]
) -> DecodedPicture:
    """The part of a resized image that a crop shows.

    Args:
      image: not yet resized.
      crop: which part.
      size: (width, height) of the part, which lies inside the resized image.
    """
    first, last, box = [], [], []
    for axis in (0, 1):  # width, height
        old, new = image.size[axis], crop.resized[1 - axis]
        at, shown = crop.offset[1 - axis], size[axis]
        scale = old / new
        # Rounded as Pillow does it. Less a whole number they are still exact,
        # so the weights do not depend on where the part begins.
        start = float(np.float32(at * scale))
        end = float(np.float32(min((at + shown) * scale, old)))
        reach = math.ceil(max(scale, 1)) + 1  # of the filter, and rounding
        first.append(max(math.floor(start) - reach, 0))
        last.append(min(math.ceil(end) + reach, old))
        box.append((start - first[-1], end - first[-1]))
    (x0, x1), (y0, y1) = box
    part = image.crop((first[0], first[1], last[0], last[1]))
    return part.resize(size, Image.Resampling.BILINEAR, (x0, y0, x1, y1))


def _nearest(size: int, new_size: int) -> np.ndarray:
    """The pixel that each resized pixel copies, as in Pillow's NEAREST.

    Pillow finds it by repeated addition. Adding in the same way rounds the
    ties in the same way.
    """
    steps = np.full(new_size, size / new_size)
    steps[0] /= 2
    return np.minimum(np.cumsum(steps).astype(np.intp), size - 1)


def draw_strong(rng: np.random.Generator, crop_size: int) -> StrongView:
    """Draws one strong view (UniMatch v1): jitter, grey, blur, CutMix."""
    if rng.random() < JITTER:
        factors = rng.uniform(*FACTORS, 3)
        hue = rng.uniform(-HUE, HUE)
        order = rng.permutation(4)
    else:
        factors, hue, order = np.ones(3), 0.0, np.arange(4)
    grey = rng.random() < GREY
    sigma = rng.uniform(*SIGMA) if rng.random() < BLUR else 0.0
    return StrongView(
        factors=np.asarray(factors, np.float32),
        hue=np.float32(hue),
        order=np.asarray(order, np.int32),
        grey=np.bool_(grey),
        sigma=np.float32(sigma),
        box=_draw_box(rng, crop_size),
    )


def _draw_box(rng: np.random.Generator, crop_size: int) -> np.ndarray:
    """Draws an area, then shapes and places until one fits into the crop."""
    if rng.random() >= MIX:
        return np.zeros(4, np.int32)
    area = rng.uniform(*MIX_AREA) * crop_size**2
    while True:
        ratio = rng.uniform(*MIX_RATIO)
        width = int(math.sqrt(area / ratio))
        height = int(math.sqrt(area * ratio))
        x, y = rng.integers(0, crop_size, 2).tolist()
        if x + width <= crop_size and y + height <= crop_size:
            return np.array([y, x, y + height, x + width], np.int32)


def to_unit_range(image: Array, xp: Any) -> Array:
    """Turns uint8 images into float32 on [0, 1]: the weak view."""
    return image.astype(xp.float32) / np.float32(255)


def apply_strong_views(unlabelled: dict[str, Any], xp: Any) -> dict[str, Array]:
    """Computes the weak and both strong views of an unlabelled batch.

    Args:
      unlabelled: image uint8 [B,S,S,C], valid bool [B,S,S], and the batched
        `StrongView`s strong_1 and strong_2.
      xp: numpy or jax.numpy.

    Returns:
      weak, strong_1, strong_2 float32 [B,S,S,C] on [0, 1]; box_1, box_2
      int32 [B,4]; valid bool [B,S,S].
    """
    image = to_unit_range(unlabelled["image"], xp)
    first, second = unlabelled["strong_1"], unlabelled["strong_2"]
    return {
        "weak": image,
        "strong_1": apply_strong(image, first, xp),
        "strong_2": apply_strong(image, second, xp),
        "box_1": first.box,
        "box_2": second.box,
        "valid": unlabelled["valid"],
    }


def apply_strong(image: Array, view: StrongView, xp: Any) -> Array:
    """Applies a strong view's jitter, grey and blur.

    The training step applies the CutMix, once the images have pseudo-labels.

    Args:
      image: float32 [B,S,S,C] on [0, 1].
      view: batched along B.
      xp: numpy or jax.numpy.

    Returns:
      float32 [B,S,S,C] on [0, 1].
    """
    # One array per channel: if the luma sliced one array for all, XLA would
    # compute everything before it three times, at every operation.
    planes = tuple(image[..., c] for c in range(image.shape[-1]))
    colours = colour_channels(image.shape[-1])
    sharp = [_jitter_alone(plane, view, xp) for plane in planes[colours:]]
    if colours:
        sharp = [*_jitter(planes[:colours], view, xp), *sharp]
    blurred = gaussian_blur(xp.stack(sharp, 1), view.sigma, xp)
    return xp.moveaxis(blurred, 1, -1)


def colour_channels(channels: int) -> int:
    """How many of the channels are colours: the first 3, or 0."""
    return 3 if channels >= 3 else 0


def _jitter(rgb: Planes, view: StrongView, xp: Any) -> Planes:
    """Applies jitter and grey to red, green and blue."""
    # An image's order puts the hue before, between or after its three blends.
    # All images share one program: up to three blends, the hue, up to three
    # blends. An image takes its own three; the others have factor 1.
    hue_at = xp.argmax(view.order == 3, axis=1)
    for place in range(3):
        operation = view.order[:, place]
        rgb = _blend(rgb, view.factors, operation, place < hue_at, xp)
    rgb = shift_hue(rgb, view.hue, xp)
    for place in range(1, 4):
        operation = view.order[:, place]
        rgb = _blend(rgb, view.factors, operation, place > hue_at, xp)
    luma = luma_of(rgb)
    grey = _per_image(view.grey)
    return tuple(xp.where(grey, luma, plane) for plane in rgb)


def _jitter_alone(plane: Array, view: StrongView, xp: Any) -> Array:
    """Applies brightness and contrast, in their order, to one channel."""
    for place in range(4):
        operation = view.order[:, place]
        chosen = operation[:, None] == xp.arange(2)
        factor = xp.where(chosen, view.factors[:, :2], 0).sum(1)
        factor = _per_image(xp.where(operation < 2, factor, 1))
        mean = plane.mean((1, 2), keepdims=True)
        reference = xp.where(_per_image(chosen[:, 1]), mean, 0)
        plane = xp.clip(reference + factor * (plane - reference), 0, 1)
    return plane


def _per_image(x: Array) -> Array:
    """[B] -> [B,1,1]."""
    return x[:, None, None]


def luma_of(rgb: Planes) -> Array:
    """The ITU-R 601-2 luma, which is Pillow's mode L."""
    red, green, blue = rgb
    return (
        np.float32(0.299) * red
        + np.float32(0.587) * green
        + np.float32(0.114) * blue
    )


def _blend(
    rgb: Planes, factors: Array, operation: Array, enabled: Array, xp: Any
) -> Planes:
    """Moves each image towards or away from its operation's reference.

    The reference is black for brightness (0), the mean luma for contrast (1)
    and each pixel's luma for saturation (2), as torchvision defines them.
    """
    chosen = operation[:, None] == xp.arange(3)
    factor = xp.where(chosen, factors, 0).sum(1)
    factor = _per_image(xp.where(enabled, factor, 1))
    luma = luma_of(rgb)
    mean = luma.mean((1, 2), keepdims=True)
    reference = xp.where(_per_image(chosen[:, 1]), mean, luma)
    reference = xp.where(_per_image(chosen[:, 0]), 0, reference)
    return tuple(
        xp.clip(reference + factor * (plane - reference), 0, 1) for plane in rgb
    )


def shift_hue(rgb: Planes, shift: Array, xp: Any) -> Planes:
    """Shifts the hue by `shift` turns; keeps HSV's saturation and value."""
    red, green, blue = rgb
    value = xp.maximum(xp.maximum(red, green), blue)
    chroma = value - xp.minimum(xp.minimum(red, green), blue)
    safe = xp.where(chroma > 0, chroma, 1)
    # In sixths of a turn, counted from red.
    hue = xp.where(
        value == red,
        (green - blue) / safe,
        xp.where(
            value == green,
            (blue - red) / safe + 2,
            (red - green) / safe + 4,
        ),
    )
    hue = hue + 6 * _per_image(shift)

    def channel(start):
        k = hue + start
        k = k - 6 * xp.floor(k / 6)
        return value - chroma * xp.clip(xp.minimum(k, 4 - k), 0, 1)

    return channel(5), channel(3), channel(1)
