"""Connected parts of class maps, and their run lengths."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from ipixmatch_jax.predict.formats.base import LabelledImage, Labelling


class Part(NamedTuple):
    """Pixels of one class that touch at their sides.

    Attributes:
      class_id: of the pixels.
      top: the first row.
      left: the first column.
      mask: bool [h, w], the pixels in the box that holds them.
      score: mean confidence of the pixels, to four decimals.
    """

    class_id: int
    top: int
    left: int
    mask: np.ndarray
    score: float

    @property
    def area(self) -> int:
        """How many pixels it has."""
        return int(np.count_nonzero(self.mask))


def find_parts(image: LabelledImage, labelling: Labelling) -> Iterator[Part]:
    """The parts of all annotated classes, class by class, from the top down.

    Pixels that touch at a corner alone belong to two parts.
    """
    for class_id in labelling.annotated:
        numbered, _ = ndimage.label(image.ids == class_id)
        for number, box in enumerate(ndimage.find_objects(numbered), 1):
            mask = numbered[box] == number
            score = mean_confidence(image.confidence[box], mask)
            yield Part(class_id, box[0].start, box[1].start, mask, score)


def mean_confidence(confidence: np.ndarray, mask: np.ndarray) -> float:
    """The mean of float32 [h, w] over a mask, to four decimals."""
    return round(float(confidence[mask].mean(dtype=np.float64)), 4)


def run_lengths(part: Part, height: int, width: int) -> list[int]:
    """COCO's counts of a part in its image.

    Args:
      part: of the image.
      height: of the image.
      width: of the image.

    Returns:
      column by column, the numbers of pixels in turn outside and inside the
      part, beginning outside.
    """
    steps = np.diff(np.pad(part.mask.T.astype(np.int8), ((0, 0), (1, 1))))
    first = part.left * height + part.top
    columns, rows = np.nonzero(steps == 1)
    starts = first + columns * height + rows
    columns, rows = np.nonzero(steps == -1)
    ends = first + columns * height + rows
    # A run that ends at the bottom goes on at the top of the next column.
    apart = starts[1:] != ends[:-1]
    starts = starts[np.append(True, apart)]
    ends = ends[np.append(apart, True)]
    edges = np.stack([starts, ends], 1).ravel()
    return np.diff(edges, prepend=0, append=height * width).tolist()
