"""Chooses few padded shapes for images of many sizes: few compilations."""

from collections.abc import Sequence

import numpy as np

from ipixmatch_jax.evaluate.resized_images import nearest_multiple

# Shapes are also merged below the limit while the padding stays under this
# share of the area of the images, which costs less than a compilation.
_SLACK = 0.05
# Sizes are rounded up until there are at most this many different ones.
_MOST_SIZES = 256


def bucket_shapes(
    sizes: list[tuple[int, int]], limit: int = 8
) -> list[tuple[int, int]]:
    """A few padded shapes that together hold images of all sizes.

    Merges, again and again, the two shapes whose union adds least padding.

    Args:
      sizes: height and width of each image, in pixels.
      limit: the most shapes to return.

    Returns:
      At most `limit` shapes (height, width), sorted.
    """
    exact = np.asarray(sizes, np.int64)
    shapes, counts = _rounded(exact)
    budget = _SLACK * exact.prod(1).sum()
    while len(shapes) > 1:
        union = np.maximum(shapes[:, None], shapes[None])
        held = shapes.prod(1) * counts
        area = union.prod(2) * (counts[:, None] + counts[None])
        cost = (area - held[:, None] - held[None]).astype(np.float64)
        np.fill_diagonal(cost, np.inf)
        first, second = np.unravel_index(np.argmin(cost), cost.shape)
        budget -= cost[first, second]
        if len(shapes) <= limit and budget < 0:
            break
        shapes[first] = union[first, second]
        counts[first] += counts[second]
        shapes = np.delete(shapes, second, axis=0)
        counts = np.delete(counts, second)
    # Rounded shapes shrink to the images that they hold.
    fitting = [smallest_holding(shapes, size) for size in exact]
    groups = [exact[np.equal(fitting, i)] for i in range(len(shapes))]
    return sorted({tuple(g.max(0).tolist()) for g in groups if len(g)})


def shapes_of_multiples(
    sizes: list[tuple[int, int]], multiple: int
) -> list[tuple[int, int]]:
    """Padded shapes whose images are all seen at one size.

    That is the nearest multiple of each side, see resized_images.py. Each shape
    is as large as the largest image that is seen at its size, so for every
    image the smallest shape that holds it is the right one.

    Args:
      sizes: height and width of each image, in pixels.
      multiple: of the network's sides; with 1 every size has a shape of its
        own, without padding.

    Returns:
      the shapes (height, width) that occur, sorted.
    """
    more = (multiple - 1) // 2
    return sorted(
        {
            (
                nearest_multiple(height, multiple) + more,
                nearest_multiple(width, multiple) + more,
            )
            for height, width in sizes
        }
    )


def smallest_holding(
    shapes: Sequence[tuple[int, int]] | np.ndarray,
    size: tuple[int, int] | np.ndarray,
) -> int:
    """Position of the smallest shape that holds an image of that size."""
    sides = np.asarray(shapes)
    holds = (sides >= size).all(1)
    area = np.where(holds, sides.prod(1), np.iinfo(np.int64).max)
    return int(np.argmin(area))


def group_by_shape(
    shapes: list[tuple[int, int]], sizes: dict[int, tuple[int, int]]
) -> list[tuple[tuple[int, int], list[int]]]:
    """Puts each image into the smallest padded shape that holds it.

    Args:
      shapes: see `bucket_shapes`.
      sizes: height and width of images by their positions.

    Returns:
      (shape, positions in the order of `sizes`) of each shape.
    """
    members: list[list[int]] = [[] for _ in shapes]
    for index, size in sizes.items():
        members[smallest_holding(shapes, size)].append(index)
    return list(zip(shapes, members, strict=True))


def pad_images(
    images: Sequence[np.ndarray | None],
    shape: tuple[int, int],
    count: int,
    channels: int = 3,
) -> tuple[np.ndarray, np.ndarray]:
    """A batch of images of one padded shape.

    Args:
      images: uint8 [h, w, C] each; None leaves its slot empty.
      shape: height and width that hold them all.
      count: slots of the batch, at least as many as images.
      channels: C.

    Returns:
      uint8 [count, *shape, C], 0 in the padding, and the true sizes, int32
      [count, 2], 0 for an empty slot.
    """
    batch = np.zeros((count, *shape, channels), np.uint8)
    sizes = np.zeros((count, 2), np.int32)
    for slot, image in enumerate(images):
        if image is not None:
            h, w = sizes[slot] = image.shape[:2]
            batch[slot, :h, :w] = image
    return batch, sizes


def _rounded(sizes):
    """Distinct sizes [n, 2] and how many images have each."""
    multiple = 1
    while True:
        rounded = -(-sizes // multiple) * multiple
        shapes, counts = np.unique(rounded, axis=0, return_counts=True)
        if len(shapes) <= _MOST_SIZES:
            return shapes, counts
        multiple *= 2
