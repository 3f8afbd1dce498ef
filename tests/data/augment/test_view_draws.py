"""N draws with fixed seeds against UniMatch v1's distributions."""

import numpy as np
import pytest

from ipixmatch_jax.data.augment import weak_strong


def _crops(size_hw, crop_size, count=6000):
    rng = np.random.default_rng(1)
    return [
        weak_strong.draw_crop(rng, size_hw, crop_size) for _ in range(count)
    ]


@pytest.fixture(scope="module")
def strong():
    rng = np.random.default_rng(2)
    drawn = [weak_strong.draw_strong(rng, 321) for _ in range(20000)]
    return weak_strong.StrongView(
        *(np.stack(x) for x in zip(*drawn, strict=True))
    )


def test_long_side_is_uniform_with_both_ends():
    for size_hw, long in (((3, 5), 1), ((5, 3), 0)):
        crops = _crops(size_hw, 4)
        sides = [crop.resized[long] for crop in crops]
        # int(0.5 * 5) = 2 to int(2.0 * 5) = 10.
        values, counts = np.unique(sides, return_counts=True)
        assert values.tolist() == list(range(2, 11))
        np.testing.assert_allclose(counts / len(crops), 1 / 9, atol=0.015)
        for crop in crops[:200]:
            expected = int(3 * crop.resized[long] / 5 + 0.5)
            assert crop.resized[1 - long] == expected


def test_long_side_of_a_photograph():
    sides = [crop.resized[1] for crop in _crops((375, 500), 321)]
    assert min(sides) >= 250 and max(sides) <= 1000
    assert abs(np.mean(sides) - 625) < 10
    assert abs(np.std(sides) - 751 / 12**0.5) < 5


def test_offsets_are_uniform_with_both_ends():
    offsets = [
        crop.offset
        for crop in _crops((4, 4), 4, 40000)
        if crop.resized == (6, 6)
    ]
    for axis in (0, 1):
        values, counts = np.unique(
            [offset[axis] for offset in offsets], return_counts=True
        )
        assert values.tolist() == [0, 1, 2]
        np.testing.assert_allclose(counts / len(offsets), 1 / 3, atol=0.03)


def test_flip_probability():
    flips = [crop.flip for crop in _crops((20, 20), 8)]
    assert abs(np.mean(flips) - 0.5) < 0.02


@pytest.mark.parametrize(
    ("crop_size", "share", "fraction"), [(321, 0.24, 0.057), (513, 0.59, 0.23)]
)
def test_padding_of_a_500x375_photograph(crop_size, share, fraction):
    """Expected shares are from the reference system's own code."""
    padded = []
    for crop in _crops((375, 500), crop_size):
        sides = [
            min(side - offset, crop_size)
            for side, offset in zip(crop.resized, crop.offset, strict=True)
        ]
        padded.append(1 - sides[0] * sides[1] / crop_size**2)
    assert abs(np.mean(np.array(padded) > 0) - share) < 0.015
    assert abs(np.mean(padded) - fraction) < 0.008


def test_jitter(strong):
    off = (strong.factors == 1).all(1) & (strong.hue == 0)
    assert abs(off.mean() - 0.2) < 0.01
    factors, hue = strong.factors[~off], strong.hue[~off]
    assert factors.min() >= 0.5 and factors.max() <= 1.5
    assert hue.min() >= -0.25 and hue.max() <= 0.25
    # Means and standard deviations of uniform distributions.
    np.testing.assert_allclose(factors.mean(0), 1, atol=0.01)
    np.testing.assert_allclose(factors.std(0), 1 / 12**0.5, atol=0.005)
    assert abs(hue.mean()) < 0.004
    assert abs(hue.std() - 0.5 / 12**0.5) < 0.003
    assert abs(np.corrcoef(factors.T)[0, 1]) < 0.03


def test_order_is_a_uniform_permutation(strong):
    jittered = strong.order[(strong.factors != 1).any(1)]
    orders, counts = np.unique(jittered, axis=0, return_counts=True)
    assert len(orders) == 24
    np.testing.assert_allclose(counts / len(jittered), 1 / 24, atol=0.006)


def test_grey_and_blur(strong):
    assert abs(strong.grey.mean() - 0.2) < 0.01
    blurred = strong.sigma[strong.sigma > 0]
    assert abs(len(blurred) / len(strong.sigma) - 0.5) < 0.012
    assert blurred.min() >= np.float32(0.1) and blurred.max() <= 2
    assert abs(blurred.mean() - 1.05) < 0.015
    assert abs(blurred.std() - 1.9 / 12**0.5) < 0.01


def test_cutmix_boxes(strong):
    """Expected statistics are from the reference system's boxes at 321."""
    none = (strong.box == 0).all(1)
    assert abs(none.mean() - 0.5) < 0.012
    y0, x0, y1, x1 = strong.box[~none].T
    assert min(y0.min(), x0.min()) == 0
    assert max(y1.max(), x1.max()) == 321
    height, width = y1 - y0, x1 - x0
    area = height * width / 321**2
    assert abs(area.mean() - 0.207) < 0.004
    quantiles = np.quantile(area, [0.05, 0.5, 0.95])
    np.testing.assert_allclose(quantiles, [0.038, 0.205, 0.379], atol=0.009)
    assert area.max() <= 0.4
    assert abs(width.mean() / 321 - 0.384) < 0.006
    assert abs(height.mean() / 321 - 0.532) < 0.006
    assert abs((height > width).mean() - 0.74) < 0.015


def test_types_of_a_strong_view():
    view = weak_strong.draw_strong(np.random.default_rng(0), 32)
    shapes = [(x.shape, x.dtype.name) for x in view]
    assert shapes == [
        ((3,), "float32"),
        ((), "float32"),
        ((4,), "int32"),
        ((), "bool"),
        ((), "float32"),
        ((4,), "int32"),
    ]
