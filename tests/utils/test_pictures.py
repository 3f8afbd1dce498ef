"""Colours of ids and confidences; positions in a grid of pictures."""

import numpy as np

from ipixmatch_jax.utils import pictures

PALETTE = ((0, 0, 0), (10, 20, 30))


def test_ids_get_their_colours_and_ignored_pixels_are_pale():
    mask = np.array([[0, 1], [255, 1]], np.uint8)
    coloured = pictures.colour(mask, PALETTE)
    assert coloured.tolist() == [
        [[0, 0, 0], [10, 20, 30]],
        [[224, 224, 224], [10, 20, 30]],
    ]


def test_confidence_runs_from_black_over_red_to_white():
    heat = pictures.heat(np.array([[0.0, 1 / 3, 2 / 3, 1.0]]))
    assert heat[0].tolist() == [
        [0, 0, 0],
        [255, 0, 0],
        [255, 255, 0],
        [255, 255, 255],
    ]


def test_a_grid_keeps_rows_of_different_sizes_apart():
    small = np.zeros((3, 5, 3), np.uint8)
    large = np.full((7, 6, 3), 9, np.uint8)
    canvas = pictures.grid([[small, small], [large, large]])
    # Gaps of 4 around and between: 2 * 6 + 3 * 4 wide, 3 + 7 + 3 * 4 high.
    assert canvas.shape == (22, 24, 3)
    assert np.all(canvas[4:7, 4:9] == 0)
    assert np.all(canvas[11:18, 14:20] == 9)
    assert np.all(canvas[7:11] == 255)
