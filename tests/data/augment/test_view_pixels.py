"""Pixels of the views against Pillow and against float64 formulas."""

import colorsys
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from ipixmatch_jax.data import normalisation
from ipixmatch_jax.data.augment import weak_strong
from ipixmatch_jax.data.source import Sample


def _photograph(rng, height, width):
    """An image of smooth areas, edges and some noise."""
    coarse = rng.integers(0, 256, (height // 8 + 2, width // 8 + 2, 3))
    image = Image.fromarray(coarse.astype(np.uint8))
    image = np.asarray(image.resize((width, height), Image.BICUBIC), int)
    image = image + rng.integers(-12, 13, image.shape)
    return Image.fromarray(np.clip(image, 0, 255).astype(np.uint8))


def _view(**changes):
    """A batch of one view that only makes the changes given."""
    view = weak_strong.StrongView(
        factors=np.ones((1, 3), np.float32),
        hue=np.zeros(1, np.float32),
        order=np.arange(4, dtype=np.int32)[None],
        grey=np.zeros(1, bool),
        sigma=np.zeros(1, np.float32),
        box=np.zeros((1, 4), np.int32),
    )
    return view._replace(**changes)


def _apply(image, view):
    x = weak_strong.to_unit_range(np.asarray(image)[None], np)
    return weak_strong.apply_strong(x, view, np)[0] * 255


def _draw(rng, count, size):
    drawn = [weak_strong.draw_strong(rng, size) for _ in range(count)]
    return weak_strong.StrongView(
        *(np.stack(x) for x in zip(*drawn, strict=True))
    )


# Crops.


def test_crop_equals_resizing_all_then_padding_then_cropping():
    rng = np.random.default_rng(3)
    differences = []
    for _ in range(60):
        height, width = rng.integers(20, 300, 2).tolist()
        size = int(rng.integers(17, 200))
        ids = rng.integers(0, 21, (height, width), np.uint8)
        image, mask = _photograph(rng, height, width), Image.fromarray(ids)
        crop = weak_strong.draw_crop(rng, (height, width), size)
        got = weak_strong.apply_crop(Sample(image, mask), crop, size)

        new_height, new_width = crop.resized
        shape = max(new_height, size), max(new_width, size)
        whole = np.zeros((*shape, 3), int)
        whole_mask = np.full(shape, 255)
        valid = np.zeros(shape, bool)
        inside = np.s_[:new_height, :new_width]
        whole[inside] = image.resize((new_width, new_height), Image.BILINEAR)
        whole_mask[inside] = mask.resize((new_width, new_height), Image.NEAREST)
        valid[inside] = True
        y, x = crop.offset
        part = np.s_[y : y + size, x : x + size]
        turn = np.s_[:, ::-1] if crop.flip else np.s_[:]
        differences.append(np.abs(whole[part][turn] - got[0]).ravel())
        np.testing.assert_array_equal(whole_mask[part][turn], got[1])
        np.testing.assert_array_equal(valid[part][turn], got[2])
    differences = np.concatenate(differences)
    assert differences.max() <= 2 and differences.mean() < 0.1
    assert (differences == 2).mean() < 1e-5


def test_only_padding_is_invalid_and_ignored():
    image = Image.new("RGB", (10, 6), (200, 100, 50))
    mask = Image.new("L", (10, 6), 255)
    crop = weak_strong.Crop((6, 10), (0, 0), False)
    pixels, ids, valid = weak_strong.apply_crop(Sample(image, mask), crop, 12)
    assert valid[:6, :10].all() and valid.sum() == 60
    assert (ids == 255).all()  # The border of an object stays valid.
    assert (pixels[valid] == (200, 100, 50)).all()
    assert (pixels[~valid] == 0).all()
    assert weak_strong.apply_crop(Sample(image, None), crop, 12)[1] is None
    flipped = weak_strong.apply_crop(
        Sample(image, mask), crop._replace(flip=True), 12
    )
    np.testing.assert_array_equal(flipped[2], valid[:, ::-1])


# Colour.


@pytest.mark.parametrize("factor", [0.5, 0.8, 1.3, 1.5])
@pytest.mark.parametrize(
    ("operation", "enhance"),
    [
        (0, ImageEnhance.Brightness),
        (1, ImageEnhance.Contrast),
        (2, ImageEnhance.Color),
    ],
)
def test_blends_against_pillow(operation, enhance, factor):
    """Pillow rounds luma and result to 8 bits: up to 2 levels."""
    image = _photograph(np.random.default_rng(4), 40, 50)
    factors = np.ones((1, 3), np.float32)
    factors[0, operation] = factor
    got = _apply(image, _view(factors=factors))
    expected = np.asarray(enhance(image).enhance(factor), float)
    assert np.abs(got - expected).max() <= 2


def test_grey_against_pillow():
    image = _photograph(np.random.default_rng(5), 40, 50)
    got = _apply(image, _view(grey=np.ones(1, bool)))
    expected = np.asarray(image.convert("L"), float)[..., None]
    assert np.abs(got - expected).max() <= 1
    assert (got[..., 0] == got[..., 1]).all()


@pytest.mark.parametrize("shift", [-0.25, -0.1, 0.07, 0.25])
def test_hue_against_pillow(shift):
    """Pillow rounds hue and shift to 8 bits: up to 16 levels, mean below 2."""
    image = _photograph(np.random.default_rng(6), 40, 50)
    got = _apply(image, _view(hue=np.float32([shift])))
    hue, saturation, value = image.convert("HSV").split()
    turned = (np.asarray(hue, int) + int(shift * 255)) % 256
    hue = Image.fromarray(turned.astype(np.uint8))
    expected = Image.merge("HSV", (hue, saturation, value)).convert("RGB")
    difference = np.abs(got - np.asarray(expected, float))
    assert difference.max() <= 16 and difference.mean() < 2


@pytest.mark.parametrize("sigma", [0.1, 0.5, 1.0, 1.41, 1.42, 2.0])
def test_blur_against_pillow(sigma):
    """Pillow rounds after each of six passes: up to 3 levels."""
    image = _photograph(np.random.default_rng(7), 40, 50)
    got = _apply(image, _view(sigma=np.float32([sigma])))
    expected = image.filter(ImageFilter.GaussianBlur(sigma))
    difference = np.abs(got - np.asarray(expected, float))
    assert difference.max() <= 3 and difference.mean() <= 1


# The whole view against plain float64 loops.


def _slow_luma(x):
    return x @ np.array([0.299, 0.587, 0.114])


def _slow_hue(x, shift):
    out = np.empty_like(x)
    for place in np.ndindex(x.shape[:2]):
        hue, saturation, value = colorsys.rgb_to_hsv(*x[place])
        hue = (hue + shift) % 1.0
        out[place] = colorsys.hsv_to_rgb(hue, saturation, value)
    return out


def _slow_box(x, radius, axis):
    size = x.shape[axis]
    whole = math.floor(radius)
    out = np.zeros_like(x)
    for by in range(-whole - 1, whole + 2):
        weight = 1.0 if abs(by) <= whole else radius - whole
        at = np.clip(np.arange(size) + by, 0, size - 1)
        out += weight * np.take(x, at, axis)
    return out / (2 * radius + 1)


def _slow_blur(x, sigma):
    """Extended box blur (Gwosdek et al. 2011), three passes, as Pillow."""
    variance = sigma**2 / 3
    whole = math.floor((math.sqrt(12 * variance + 1) - 1) / 2)
    part = (2 * whole + 1) * (whole * (whole + 1) - 3 * variance)
    radius = whole + part / (6 * (variance - (whole + 1) ** 2))
    for axis in (1, 1, 1, 0, 0, 0):
        x = _slow_box(x, radius, axis)
    return x


def _slow_view(x, view):
    for operation in view.order:
        if operation == 3:
            x = _slow_hue(x, float(view.hue))
            continue
        factor = float(view.factors[operation])
        luma = _slow_luma(x)[..., None]
        base = (0.0, luma.mean(), luma)[operation]
        x = np.clip(base + factor * (x - base), 0, 1)
    if view.grey:
        x = np.repeat(_slow_luma(x)[..., None], 3, -1)
    return _slow_blur(x, float(view.sigma))


def test_views_equal_float64_loops_and_numpy_equals_jax():
    rng = np.random.default_rng(8)
    count = 32
    images = np.stack([_photograph(rng, 13, 13) for _ in range(count)])
    images[0, :, 4:] = 0  # Padding: black, hue undefined.
    x = images.astype(np.float32) / np.float32(255)
    view = _draw(rng, count, 13)
    got = weak_strong.apply_strong(x, view, np)
    assert got.dtype == np.float32
    for i in range(count):
        one = weak_strong.StrongView(*(field[i] for field in view))
        expected = _slow_view(x[i].astype(float), one)
        np.testing.assert_allclose(got[i], expected, atol=2e-5)

    function = jax.jit(lambda a, b: weak_strong.apply_strong(a, b, jnp))
    other = function(x, view)
    assert other.dtype == jnp.float32
    np.testing.assert_allclose(other, got, atol=1e-4)


def test_apply_gives_the_host_form_under_numpy_and_jax():
    rng = np.random.default_rng(9)
    batch = {
        "image": rng.integers(0, 256, (4, 17, 17, 3), np.uint8),
        "valid": rng.random((4, 17, 17)) < 0.5,
        "strong_1": _draw(rng, 4, 17),
        "strong_2": _draw(rng, 4, 17),
        "index": np.arange(4, dtype=np.int32),
    }
    host = weak_strong.apply_strong_views(batch, np)
    device = jax.jit(lambda b: weak_strong.apply_strong_views(b, jnp))(batch)
    assert set(host) == set(device)
    for name in ("weak", "strong_1", "strong_2"):
        assert host[name].dtype == device[name].dtype == np.float32
        np.testing.assert_allclose(host[name], device[name], atol=1e-4)
        assert host[name].min() >= 0 and host[name].max() <= 1 + 1e-6
    np.testing.assert_array_equal(host["box_2"], batch["strong_2"].box)
    np.testing.assert_array_equal(device["valid"], batch["valid"])
    np.testing.assert_allclose(host["weak"] * 255, batch["image"], atol=1e-4)


def test_normalise():
    x = np.float32([[[0.485, 0.456, 0.406], [1, 1, 1]]])
    got = normalisation.normalise(x, np)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got[0, 0], 0, atol=1e-6)
    expected = [2.2489, 2.4286, 2.64]  # (1 - mean) / std.
    np.testing.assert_allclose(got[0, 1], expected, atol=1e-4)
    got_jnp = normalisation.normalise(x, jnp)
    np.testing.assert_allclose(got_jnp, got, atol=1e-6)
