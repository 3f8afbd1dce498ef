"""What a reading of the inter-pixel loss is."""

from collections.abc import Callable
from typing import Any, NamedTuple

from jax import Array


class Reading(NamedTuple):
    """One way to read the paper: a relation of pixels and a distance.

    Attributes:
      compare: (Image, temperature, size) -> the distance of the student's
        relation to the teacher's, float32 scalar, and its slope by the
        student's logits, float32 of image.q's shape; with `slope`, a tree of
        arrays whose shapes do not depend on size, in place of the slope.
        temperature is a float32 scalar above 0; size is the number of pixels
        of a block, or None for all at once, see blocks.py.
      slope: (Image, temperature, size, tree, cotangent) -> the slope times
        the cotangent, a float32 scalar. A reading whose slope takes a pass of
        its own is spared another one that multiplies.
      tiled: compare goes over pairs of pixels in tiles, whose side is
        inter_pixel.block on every device; it takes images [N, C] alone.
      of_features: the image holds features of the head instead of logits, and
        compare takes the argument `agents`, the number of pixels that all
        others are compared with.
    """

    compare: Callable[..., tuple[Array, Any]]
    slope: Callable[..., Array] | None = None
    tiled: bool = False
    of_features: bool = False
