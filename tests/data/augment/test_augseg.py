"""AugSeg's strong view: draws against distributions, pixels against Pillow."""

import colorsys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from ipixmatch_jax.data.augment import augseg, weak_strong

# The Pillow call of each operation, in the order of OPERATIONS.
PILLOW = (
    lambda image, _: image,
    lambda image, _: ImageOps.autocontrast(image),
    lambda image, _: ImageOps.equalize(image),
    lambda image, m: image.filter(ImageFilter.GaussianBlur(m)),
    lambda image, m: ImageEnhance.Contrast(image).enhance(m),
    lambda image, m: ImageEnhance.Brightness(image).enhance(m),
    lambda image, m: ImageEnhance.Color(image).enhance(m),
    lambda image, m: ImageEnhance.Sharpness(image).enhance(m),
    lambda image, m: ImageOps.posterize(image, int(m)),
    lambda image, m: ImageOps.solarize(image, int(m)),
)
AUTOCONTRAST, EQUALIZE, BLUR = 1, 2, 3
CONTRAST, BRIGHTNESS, COLOUR, SHARPNESS = 4, 5, 6, 7
POSTERIZE, SOLARIZE, HUE = 8, 9, 10
NAMES = [
    "identity",
    "autocontrast",
    "equalize",
    "blur",
    "contrast",
    "brightness",
    "colour",
    "sharpness",
    "posterize",
    "solarize",
    "hue",
]


def _photograph(seed, height=40, width=52):
    """An image of smooth areas, edges and noise without black or white."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(20, 220, (height // 8 + 2, width // 8 + 2, 3))
    image = Image.fromarray(coarse.astype(np.uint8))
    image = np.asarray(image.resize((width, height), Image.BICUBIC), int)
    image = image + rng.integers(-12, 13, image.shape)
    return np.clip(image, 5, 240).astype(np.uint8)


def _apply(image, *steps, xp=np):
    """Applies (operation, magnitude) pairs to a uint8 image, in 8-bit units."""
    padded = [*steps, (0, 0.0), (0, 0.0), (0, 0.0)][: augseg.MOST]
    operations, magnitudes = zip(*padded, strict=True)
    drawn = augseg.Intensity(np.int32([operations]), np.float32([magnitudes]))
    x = weak_strong.to_unit_range(image[None], xp)
    return np.asarray(augseg.apply_intensity(x, drawn, xp)[0]) * 255


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(1)
    images = [augseg.draw_view(rng, 513) for _ in range(20000)]
    result = {
        name: np.stack([image[name] for image in images])
        for name in ("inject", "labelled_box", "box_1")
    }
    parts = zip(*(image["intensity"] for image in images), strict=True)
    return result | {"intensity": augseg.Intensity(*map(np.stack, parts))}


# Draws.


def test_the_table_is_in_the_order_of_these_tests():
    names = [f.__name__.strip("_") for f in augseg.OPERATIONS]
    assert names == NAMES


def test_number_and_choice_of_operations(drawn):
    """1 to 3 of 11 with replacement; identity is one of the eleven.

    A place beyond the drawn number is identity too: the second is used by
    2/3 of the images, the third by 1/3.
    """
    operations = drawn["intensity"].operations
    for place, used in enumerate((1, 2 / 3, 1 / 3)):
        shares = np.bincount(operations[:, place], minlength=11) / 20000
        np.testing.assert_allclose(shares[1:], used / 11, atol=0.007)
        assert abs(shares[0] - (1 - used * 10 / 11)) < 0.01
    repeated = (operations[:, 0] == operations[:, 1]) & (operations[:, 0] > 0)
    assert abs(repeated.mean() - 2 / 3 * 10 / 121) < 0.006


@pytest.mark.parametrize(
    ("operation", "low", "high"),
    [
        (BLUR, 0.1, 2.0),
        (CONTRAST, 0.05, 0.95),
        (BRIGHTNESS, 0.05, 0.95),
        (COLOUR, 0.05, 0.95),
        (SHARPNESS, 0.05, 0.95),
        (HUE, -0.5, 0.5),
    ],
)
def test_continuous_magnitudes_are_uniform(drawn, operation, low, high):
    operations, magnitudes = drawn["intensity"]
    values = magnitudes[operations == operation]
    assert len(values) > 3000
    assert values.min() >= np.float32(low) and values.max() <= np.float32(high)
    quantiles = np.quantile(values, [0.1, 0.5, 0.9])
    expected = low + (high - low) * np.array([0.1, 0.5, 0.9])
    np.testing.assert_allclose(quantiles, expected, atol=0.03 * (high - low))


def test_bits_and_levels_are_rounded_as_in_the_published_code(drawn):
    """It keeps 8 - ceil(4u) bits; its threshold is 256 - ceil(255u)."""
    operations, magnitudes = drawn["intensity"]
    bits = magnitudes[operations == POSTERIZE]
    values, counts = np.unique(bits, return_counts=True)
    assert values.tolist() == [4, 5, 6, 7]
    np.testing.assert_allclose(counts / len(bits), 1 / 4, atol=0.03)
    levels = magnitudes[operations == SOLARIZE]
    assert (levels == np.round(levels)).all()
    assert levels.min() == 1 and levels.max() == 255
    assert abs(levels.mean() - 128) < 4
    assert (magnitudes[operations <= EQUALIZE] == 0).all()


@pytest.mark.parametrize(
    ("name", "beta"), [("labelled_box", (8, 2)), ("box_1", (4, 4))]
)
def test_boxes_equal_a_direct_implementation(drawn, name, beta):
    """Side sqrt(1 - lambda), centred beyond the first eighth, clipped."""
    rng = np.random.default_rng(2)
    expected = []
    for _ in range(20000):
        side = int(513 * (1 - rng.beta(*beta)) ** 0.5)
        y, x = rng.integers(64, 513), rng.integers(64, 513)
        rows = max(y - side // 2, 0), min(y + side // 2, 513)
        columns = max(x - side // 2, 0), min(x + side // 2, 513)
        expected.append((rows[0], columns[0], rows[1], columns[1]))
    expected, got = np.array(expected), drawn[name]
    assert got.dtype == np.int32
    assert got.min() == 0 and got.max() == 513
    for column in range(4):
        quantiles = np.linspace(0.05, 0.95, 7)
        np.testing.assert_allclose(
            np.quantile(got[:, column], quantiles),
            np.quantile(expected[:, column], quantiles),
            atol=9,
        )
    areas = [
        (box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1]) / 513**2
        for box in (got, expected)
    ]
    assert abs(areas[0].mean() - areas[1].mean()) < 0.004


def test_inject_is_uniform(drawn):
    inject = drawn["inject"]
    assert inject.dtype == np.float32
    assert inject.min() >= 0 and inject.max() < 1
    quantiles = np.quantile(inject, [0.1, 0.5, 0.9])
    np.testing.assert_allclose(quantiles, [0.1, 0.5, 0.9], atol=0.015)


# Pixels. Each tolerance is in levels of 255.


@pytest.mark.parametrize(
    ("operation", "magnitudes", "most"),
    [
        (0, (0,), 0),
        (AUTOCONTRAST, (0,), 1),  # Pillow truncates.
        (EQUALIZE, (0,), 0),
        (BLUR, (0.1, 0.7, 2.0), 3),  # It rounds after each of six passes.
        (CONTRAST, (0.05, 0.5, 0.95), 2),  # It rounds luma and mean.
        (BRIGHTNESS, (0.05, 0.5, 0.95), 1),
        (COLOUR, (0.05, 0.5, 0.95), 2),
        (SHARPNESS, (0.05, 0.5, 0.95), 1.5),
        (POSTERIZE, (4, 5, 6, 7), 0),
        (SOLARIZE, (1, 60, 128, 210), 0),
    ],
)
def test_operations_against_pillow(operation, magnitudes, most):
    for seed, magnitude in enumerate(magnitudes):
        image = _photograph(seed)
        got = _apply(image, (operation, magnitude))
        expected = PILLOW[operation](Image.fromarray(image), magnitude)
        difference = np.abs(got - np.asarray(expected, float))
        assert difference.max() <= most + 1e-3
        changed = np.abs(got - image).max()
        assert changed > 0.01 if operation else changed < 1e-3


def test_hue_against_the_standard_library():
    """Pillow rounds hue to 256 steps; colorsys does not round."""
    image = _photograph(3, 12, 15)
    for shift in (-0.5, -0.2, 0.07, 0.5):
        got = _apply(image, (HUE, shift))
        for place in np.ndindex(image.shape[:2]):
            hue, saturation, value = colorsys.rgb_to_hsv(*image[place] / 255)
            rgb = colorsys.hsv_to_rgb((hue + shift) % 1, saturation, value)
            np.testing.assert_allclose(
                got[place], 255 * np.array(rgb), atol=2e-3
            )


@pytest.mark.parametrize(
    "image",
    [
        np.full((9, 9, 3), 77, np.uint8),  # One level.
        np.uint8(100 + np.arange(81 * 3).reshape(9, 9, 3) % 2),  # Two levels.
        np.uint8(np.arange(40 * 40 * 3).reshape(40, 40, 3) % 256),  # All.
        np.uint8(255 * (np.arange(2700).reshape(30, 30, 3) % 7 == 0)),
    ],
)
@pytest.mark.parametrize("operation", [AUTOCONTRAST, EQUALIZE])
def test_degenerate_histograms_against_pillow(image, operation):
    expected = PILLOW[operation](Image.fromarray(image), 0)
    got = _apply(image, (operation, 0))
    assert np.abs(got - np.asarray(expected, float)).max() <= 1e-3


def test_three_operations_apply_in_their_order():
    image = _photograph(4)
    steps = [(EQUALIZE, 0), (SOLARIZE, 100), (POSTERIZE, 4)]
    for order in ((0, 1, 2), (2, 1, 0), (1, 0, 2)):
        chosen = [steps[i] for i in order]
        expected = Image.fromarray(image)
        for operation, magnitude in chosen:
            expected = PILLOW[operation](expected, magnitude)
        # All three are exact on 8 bits, so the chain is exact too.
        got = _apply(image, *chosen)
        np.testing.assert_allclose(got, np.asarray(expected), atol=1e-3)


def test_numpy_equals_jax_and_stays_on_the_unit_interval():
    """To 1e-4, but for rare pixels that posterize, solarize or equalize
    see on different sides of a half level after other operations."""
    rng = np.random.default_rng(5)
    count = 48
    image = np.stack([_photograph(i, 24, 24) for i in range(count)])
    image[:6, 16:] = 0  # Padding.
    drawn = [augseg.draw_view(rng, 24) for _ in range(count)]
    parts = zip(*(one.pop("intensity") for one in drawn), strict=True)
    batch = {name: np.stack([one[name] for one in drawn]) for name in drawn[0]}
    batch["intensity"] = augseg.Intensity(*map(np.stack, parts))
    # Every operation is seen first, on 8-bit values.
    batch["intensity"].operations[:11, 0] = np.arange(11)
    batch["intensity"].magnitudes[:11, 0] = [
        *(0, 0, 0, 1.3, 0.4, 0.5, 0.6, 0.7, 5, 90, -0.3)
    ]
    batch |= {"image": image, "valid": image[..., 0] > 0}
    host = augseg.apply_view(batch, np)
    device = jax.jit(lambda b: augseg.apply_view(b, jnp))(batch)
    assert set(host) == set(device)
    for name in ("weak", "strong_1"):
        assert host[name].dtype == device[name].dtype == np.float32
        assert host[name].min() >= -1e-6 and host[name].max() <= 1 + 1e-6
        far = np.abs(host[name] - device[name]) > 1e-4
        assert far.mean() < 1e-4
    for name in ("inject", "labelled_box", "box_1", "valid"):
        np.testing.assert_array_equal(host[name], batch[name])
        np.testing.assert_array_equal(device[name], batch[name])
    np.testing.assert_allclose(host["weak"] * 255, image, atol=1e-4)
