"""Mean and deviation of the pixels: ImageNet's, or measured on the data."""

import concurrent.futures
import functools
from typing import Any, NamedTuple

import numpy as np

from ipixmatch_jax.cli.commands import call_of
from ipixmatch_jax.data.source import BadFileError, Source
from ipixmatch_jax.utils.threads import READERS

Array = Any  # numpy.ndarray or jax.Array.

# ImageNet's, red green blue, on [0, 1].
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)

MOST = 1000  # Images that are measured.
_DIGITS = 6  # Significant digits that a config keeps.


class Measured(NamedTuple):
    """Mean and deviation over the pixels of some images, on [0, 1].

    Attributes:
      mean: one per channel.
      std: one per channel, above 0.
      images: how many were measured.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    images: int


def normalise(
    x: Array,
    xp: Any,
    mean: tuple[float, ...] | None = None,
    std: tuple[float, ...] | None = None,
) -> Array:
    """Subtracts the mean and divides by the deviation, channel by channel.

    Args:
      x: images on [0, 1], float [..., C].
      xp: numpy or jax.numpy.
      mean: C numbers on [0, 1]; None: ImageNet's three.
      std: C numbers above 0; None: ImageNet's three.
    """
    mean, std = mean or MEAN, std or STD
    return (x - xp.asarray(mean, x.dtype)) / xp.asarray(std, x.dtype)


# Cached by source, so that the runs of a sweep measure once.
@functools.lru_cache(maxsize=4)
def measure_mean_and_std(
    labelled: Source, unlabelled: Source, most: int = MOST
) -> Measured:
    """Measures mean and deviation over all pixels of the training images.

    Pixels are counted as whole numbers, so every process and every order of
    threads gives the same result. Files that cannot be used are passed over;
    the check of the data names them.

    Args:
      labelled: the labelled training images.
      unlabelled: the unlabelled ones.
      most: how many images to measure; of a larger set, a fixed random choice.

    Raises:
      ValueError: none can be used, or a channel is the same everywhere.
    """
    everything = [(s, i) for s in (labelled, unlabelled) for i in range(len(s))]
    if len(everything) > most:
        drawn = np.random.default_rng(0).permutation(len(everything))[:most]
        everything = [everything[i] for i in sorted(drawn.tolist())]
    with concurrent.futures.ThreadPoolExecutor(READERS) as pool:
        seen = [h for h in pool.map(_histogram, everything) if h is not None]
    if not seen:
        raise ValueError(
            f"None of {len(everything)} training images can be read, so "
            "data.normalisation=data has nothing to measure: "
            f"`{call_of('check')}` says why."
        )
    return _moments(np.sum(seen, 0), len(seen))


def _histogram(where: tuple[Source, int]) -> np.ndarray | None:
    """int64 [C, 256] of an image; None if it cannot be used."""
    source, i = where
    try:
        image = source[i].image
    except BadFileError:
        return None
    return np.asarray(image.histogram(), np.int64).reshape(-1, 256)


def _moments(counts: np.ndarray, images: int) -> Measured:
    levels = np.arange(256)
    total = counts.sum(1)
    mean = counts @ levels / total
    # About the mean: a difference of two large squares would lose digits.
    std = np.sqrt((counts * (levels - mean[:, None]) ** 2).sum(1) / total)
    for channel, level in enumerate(mean):
        if std[channel] == 0:
            raise ValueError(
                f"Channel {channel + 1} of the images is {level:g} everywhere "
                f"({images} were looked at), so it tells nothing: take it out "
                "of the files, or set --config.data.channels to what they hold."
            )
    return Measured(_rounded(mean / 255), _rounded(std / 255), images)


def _rounded(values: np.ndarray) -> tuple[float, ...]:
    return tuple(float(f"{value:.{_DIGITS}g}") for value in values)


def format_numbers(values: tuple[float, ...]) -> str:
    """Writes numbers as a field of a config holds them."""
    return ",".join(map(repr, values))


def parse_numbers(field: str, value: str, count: int | None = None) -> tuple:
    """The numbers of a field, separated by commas; () if it is empty.

    Raises:
      ValueError: they are not finite numbers from 0 up, or not `count`.
    """
    try:
        numbers = tuple(float(v) for v in value.split(",")) if value else ()
    except ValueError:
        numbers = (-1.0,)
    good = all(0 <= number < float("inf") for number in numbers)
    if not good or (numbers and count not in (None, len(numbers))):
        many = "" if count is None else f"{count} "
        raise ValueError(
            f"config.{field}={value!r} is not {many}numbers from 0 up with "
            "commas between them."
        )
    return numbers
