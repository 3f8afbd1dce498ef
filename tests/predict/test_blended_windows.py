"""Blended windows against a slow loop over pixels in float64."""

import itertools

import numpy as np
import pytest

from ipixmatch_jax.data.files.tiff_windows import Place
from ipixmatch_jax.predict.blended_windows import (
    axis_weights,
    blend_windows,
    make_grid,
)

SIZES = [
    # height, width, side, overlap
    (40, 57, 16, 4),
    (33, 33, 32, 8),
    (100, 20, 32, 0),
    (17, 90, 24, 20),
    (64, 64, 32, 16),
    (5, 9, 16, 4),
]


def opinion(place, at):
    """What the window at a place says of a pixel: two probabilities."""
    row, column = at
    share = (7 * place.top + 3 * place.left + 2 * row + column) % 11 / 11
    return np.array([share, 1 - share])


def predict(places):
    for place in places:
        shares = [
            [
                opinion(place, (place.top + y, place.left + x))
                for x in range(place.width)
            ]
            for y in range(place.height)
        ]
        yield np.asarray(shares, np.float32)


def ramp(starts, index, side, at):
    """The weight of a window at a pixel of an axis, before division."""
    weight, inside = 1.0, at - starts[index] + 0.5
    if index > 0:
        shared = starts[index - 1] + side - starts[index]
        weight = min(weight, inside / shared) if shared else weight
    if index + 1 < len(starts):
        shared = starts[index] + side - starts[index + 1]
        weight = min(weight, (side - inside) / shared) if shared else weight
    return weight


def slow_blend(grid):
    """Float64 [H, W, 2], pixel by pixel over every window that covers it."""
    height, width = grid.shape
    blended = np.zeros((*grid.size, 2))
    for y, x in np.ndindex(*grid.size):
        total = 0.0
        for place, row, column in _covering(grid, y, x):
            weight = ramp(grid.rows, row, height, y)
            weight *= ramp(grid.columns, column, width, x)
            blended[y, x] += weight * opinion(place, (y, x))
            total += weight
        blended[y, x] /= total
    return blended


def _covering(grid, y, x):
    height, width = grid.shape
    for row, top in enumerate(grid.rows):
        for column, left in enumerate(grid.columns):
            if top <= y < top + height and left <= x < left + width:
                yield Place(top, left, height, width), row, column


@pytest.mark.parametrize("case", SIZES)
def test_the_blend_is_that_of_a_slow_loop(case):
    height, width, side, overlap = case
    grid = make_grid((height, width), side, overlap)
    found = np.full((height, width, 2), np.nan)
    for place, shares in blend_windows(grid, predict):
        top, left, rows, columns = place
        there = found[top : top + rows, left : left + columns]
        assert np.isnan(there).all()  # Every pixel comes once.
        there[:] = shares
    np.testing.assert_allclose(found, slow_blend(grid), atol=1e-6)


@pytest.mark.parametrize("case", SIZES)
def test_windows_cover_the_image_and_share_enough(case):
    height, width, side, overlap = case
    grid = make_grid((height, width), side, overlap)
    for starts, length in ((grid.rows, height), (grid.columns, width)):
        shown = min(side, length)
        assert starts[0] == 0
        assert starts[-1] + shown == length
        shared = [a + shown - b for a, b in itertools.pairwise(starts)]
        assert all(pixels >= overlap for pixels in shared)


def test_weights_of_windows_sum_to_one_and_rise_evenly():
    first, second = axis_weights([0, 6], 10, 16)
    np.testing.assert_allclose(
        first, [*[1] * 6, 0.875, 0.625, 0.375, 0.125], rtol=1e-6
    )
    np.testing.assert_allclose(second, first[::-1], rtol=1e-6)
