"""A few padded shapes are enough for every image."""

import numpy as np
import pytest

from ipixmatch_jax.evaluate.padded_shapes import bucket_shapes


def _padding(sizes, shapes):
    """Padded area divided by the area of the images."""
    area = sum(min(_areas(size, shapes)) for size in sizes)
    return area / sum(h * w for h, w in sizes)


def _areas(size, shapes):
    """Area of the padded shape of each image."""
    return [h * w for h, w in shapes if size[0] <= h and size[1] <= w]


def _voc_like(count):
    """Image sizes like VOC's: mostly a long side of 500, either way round."""
    rng = np.random.default_rng(0)
    short = rng.choice([375, 333, 334, 332, 281, 400, 500], count)
    odd = rng.integers(150, 500, count)
    short = np.where(rng.random(count) < 0.3, odd, short)
    sizes = [(int(s), 500) for s in short]
    return [s[::-1] if rng.random() < 0.25 else s for s in sizes]


def test_voc_fits_eight_shapes_with_little_padding():
    sizes = _voc_like(1449)
    assert len(set(sizes)) > 300
    shapes = bucket_shapes(sizes)
    assert len(shapes) <= 8
    assert _padding(sizes, shapes) < 1.08
    assert shapes == bucket_shapes(sizes[::-1])


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_the_limit_holds(limit):
    sizes = _voc_like(200)
    shapes = bucket_shapes(sizes, limit)
    assert len(shapes) <= limit
    assert all(_areas(size, shapes) for size in sizes)


def test_one_size_is_not_padded():
    assert bucket_shapes([(360, 480)] * 101) == [(360, 480)]


def test_near_sizes_share_a_shape_and_far_ones_do_not():
    sizes = [(100, 200)] * 9 + [(101, 199)] + [(400, 300)] * 5
    assert bucket_shapes(sizes) == [(101, 200), (400, 300)]


def test_thousands_of_sizes_are_quick():
    rng = np.random.default_rng(1)
    sizes = [tuple(map(int, s)) for s in rng.integers(100, 900, (5000, 2))]
    shapes = bucket_shapes(sizes)
    assert len(shapes) <= 8
    assert _padding(sizes, shapes) < 1.65
