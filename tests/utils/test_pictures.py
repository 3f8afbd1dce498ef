"""Colours of ids and confidences; positions in a grid of pictures."""

import numpy as np

from ipixmatch_jax.utils import captions, pictures

PALETTE = ((0, 0, 0), (10, 20, 30))


def test_ids_get_their_colours_and_ignored_pixels_are_pale():
    mask = np.array([[0, 1], [255, 1]], np.uint8)
    coloured = pictures.colour_mask(mask, PALETTE)
    assert coloured.tolist() == [
        [[0, 0, 0], [10, 20, 30]],
        [[224, 224, 224], [10, 20, 30]],
    ]


def test_uncertainty_runs_from_black_over_red_to_white():
    heat = pictures.colour_uncertainty(np.array([[0.0, 1 / 3, 2 / 3, 1.0]]))
    assert heat[0].tolist() == [
        [0, 0, 0],
        [255, 0, 0],
        [255, 255, 0],
        [255, 255, 255],
    ]


def test_a_grid_keeps_rows_of_different_sizes_apart():
    small = np.zeros((3, 5, 3), np.uint8)
    large = np.full((7, 6, 3), 9, np.uint8)
    canvas = pictures.arrange_grid([[small, small], [large, large]])
    # Gaps of 4 around and between: 2 * 6 + 3 * 4 wide, 3 + 7 + 3 * 4 high.
    assert canvas.shape == (22, 24, 3)
    assert np.all(canvas[4:7, 4:9] == 0)
    assert np.all(canvas[11:18, 14:20] == 9)
    assert np.all(canvas[7:11] == 255)


def test_headings_stand_above_their_columns():
    row = [np.full((30, 90, 3), shade, np.uint8) for shade in (0, 9)]
    canvas = pictures.arrange_grid([row])
    starts = pictures.column_starts(row)
    assert starts == [4, 98]
    headed = captions.add_headings(canvas, ["truth", "a very long one"], starts)
    height = headed.shape[0] - canvas.shape[0]
    np.testing.assert_array_equal(headed[height:], canvas)
    assert headed[:height, 4:40].min() < 60
    # The second wraps into two lines, the first stands in the lower one.
    assert headed[: height // 2, :90].min() == 255
    assert headed[: height // 2, 98:].min() < 60


def test_a_legend_has_every_colour_and_wraps():
    entries = [(f"class {k}", (k, 2 * k, 200)) for k in range(9)]
    canvas = np.zeros((10, 150, 3), np.uint8)
    picture = captions.add_legend(canvas, entries)
    found = set(map(tuple, picture[10:].reshape(-1, 3).tolist()))
    assert {colour for _, colour in entries} <= found
    assert picture.shape[0] > 10 + 3 * 20
