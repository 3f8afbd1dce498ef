"""The Pallas candidate of affinity / kl: interpreted, and lowered."""

import functools
import re

import jax
import numpy as np
import pytest

from benchmarks import affinity_kl_pallas
from tests.losses.inter_pixel import test_loss as losses
from tests.losses.inter_pixel import twin as loss_twin

PLATFORMS = ["cuda", "tpu"]
MASKS = {
    "none": lambda n: np.zeros(n, bool),
    "one": lambda n: np.arange(n) == n // 2,
    "some": lambda n: np.arange(n) % 3 != 1,
    "all": lambda n: np.ones(n, bool),
}
FAR, NEAR, SAME = 1.0, 1e-3, 0.0  # the student's distance from the teacher
RTOL = 3e-6


def twin(f, g, keep, temperature, share, x_share):
    """Both results by N x N matrices of float64, and what they sum.

    The latter has no signs, and the parts of a difference of similarities in
    place of it: what rounding may be measured against.
    """
    f, g, share, x_share = (np.float64(x) for x in (f, g, share, x_share))
    both = keep[:, None] & keep
    p_tilde = both * np.exp((g @ g.T - 1) / temperature)
    q_tilde = both * np.exp((f @ f.T - 1) / temperature)
    delta = (f @ f.T - g @ g.T) / temperature
    change = q_tilde - p_tilde
    curved = p_tilde * (np.expm1(delta) - delta)
    weights = change * (share[:, None] + share)
    weights -= p_tilde * (x_share[:, None] + x_share)
    d, m = np.abs(f - g), (f + g) / 2
    parts = (m @ d.T + d @ m.T) / temperature
    larger = np.maximum(p_tilde, q_tilde)
    changes = larger * parts
    # exp(delta) - 1 - delta is a difference of numbers near 1 from 0.15 on.
    curves = changes * np.minimum(parts, 1) * np.where(parts < 0.15, 1, 4)
    size = changes * (share[:, None] + share)
    size += p_tilde * np.abs(x_share[:, None] + x_share)
    return (
        (
            _row_sums(p_tilde, q_tilde, p_tilde * delta, curved),
            weights @ f,
        ),
        (
            _row_sums(p_tilde, q_tilde, p_tilde * parts, curves),
            size @ f,
        ),
    )


def _row_sums(*matrices):
    return np.stack([x.sum(1) for x in matrices], -1)


def unit(logits):
    y = np.exp(logits - logits.max(-1, keepdims=True))
    return y / np.linalg.norm(y, axis=-1, keepdims=True)


def draw(n, classes, distance, keep, temperature, seed=0):
    """The arguments of feature_slope; those of row_sums are the first four."""
    rng = np.random.default_rng(seed)
    p, noise = 2 * rng.standard_normal((2, n, classes))
    f, g = (
        np.float32(unit(x) * keep[:, None]) for x in (p + distance * noise, p)
    )
    share = np.float32(rng.uniform(0.1, 1, n) * keep)
    x_share = np.float32(distance * share * rng.uniform(-1, 1, n))
    return f, g, keep, np.float32(temperature), share, x_share


@functools.cache
def interpreted(platform, batched=False):
    """Both functions, compiled once for every shape."""
    settings = {"block": 16, "interpret": True, "platform": platform}

    def both(*arguments):
        return (
            affinity_kl_pallas.row_sums(*arguments[:4], **settings),
            affinity_kl_pallas.feature_slope(*arguments, **settings),
        )

    axes = (0, 0, 0, None, 0, 0)
    return jax.jit(jax.vmap(both, in_axes=axes) if batched else both)


def check(actual, arguments):
    for x, expected, size in zip(actual, *twin(*arguments), strict=True):
        assert x.dtype == np.float32
        assert x.shape == expected.shape
        assert np.all(np.abs(x - expected) <= RTOL * size)


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("n, classes", [(7, 2), (32, 5), (45, 21), (3, 130)])
def test_values_are_the_definitions(platform, n, classes):
    for seed, mask in enumerate(MASKS):
        for temperature in (0.25, 1, 8):
            for distance in (FAR, NEAR, SAME):
                arguments = draw(
                    n, classes, distance, MASKS[mask](n), temperature, seed
                )
                check(interpreted(platform)(*arguments), arguments)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_images_side_by_side(platform):
    images = [
        draw(21, 5, distance, MASKS[mask](21), 0.5, seed)
        for seed, (distance, mask) in enumerate(
            [(FAR, "some"), (NEAR, "all"), (FAR, "none")]
        )
    ]
    stacked = [np.stack(x) for x in zip(*images, strict=True)]
    stacked[3] = images[0][3]
    results = interpreted(platform, batched=True)(*stacked)
    for image, *actual in zip(images, *results, strict=True):
        check(actual, image)


def test_value_and_gradient_are_the_losss():
    q, p, valid = losses.draw(3, (2, 5, 6, 4))
    value, gradient = jax.jit(affinity_kl_pallas.value_and_grad(16))(
        q, p, valid
    )
    given = losses.settings("affinity", "kl", 1.0, 0.0)
    expected = loss_twin.per_image(q, p, valid, **given).mean()
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    slope = loss_twin.gradient(q, p, valid, **given)
    error = np.linalg.norm(gradient - slope)
    assert error < 1e-4 * np.linalg.norm(slope)


def test_a_students_similarities_may_all_be_larger():
    # Far beyond the series, at a temperature that makes exp(x) large.
    n = 20
    f = np.float32(np.eye(4)[np.zeros(n, int)])
    g = np.float32(np.eye(4)[np.arange(n) % 4])
    share = np.ones(n, np.float32)
    arguments = (f, g, np.ones(n, bool), np.float32(0.02), share, 0 * share)
    for platform in PLATFORMS:
        check(interpreted(platform)(*arguments), arguments)


def at_full_size(function, batch=()):
    """The function by blocks of 128, and shapes of 321^2 pixels."""
    n = 321 * 321
    pixels, features = (*batch, n), (*batch, n, 21)
    shapes = [features, features, pixels, (), pixels, pixels]
    kinds = ["f4", "f4", "bool", "f4", "f4", "f4"]
    count = 4 if function is affinity_kl_pallas.row_sums else 6
    run = functools.partial(function, block=128)
    if batch:
        run = jax.vmap(run, in_axes=[0, 0, 0, None, 0, 0][:count])
    arguments = map(jax.ShapeDtypeStruct, shapes, kinds)
    return run, list(arguments)[:count]


@pytest.mark.parametrize("batch", [(), (2,)])
@pytest.mark.parametrize(
    "platform, call",
    [("cuda", "__gpu$xla.gpu.triton"), ("tpu", "tpu_custom_call")],
)
@pytest.mark.parametrize("name", ["row_sums", "feature_slope"])
def test_lowers_for_a_device_without_one(name, platform, call, batch):
    run, arguments = at_full_size(getattr(affinity_kl_pallas, name), batch)
    text = (
        jax.jit(run)
        .trace(*arguments)
        .lower(lowering_platforms=(platform,))
        .as_text()
    )
    assert call in text
    sizes = [
        np.prod([int(d) for d in shape.split("x")])
        for shape in re.findall(r"tensor<(\d+(?:x\d+)*)x[a-z]", text)
    ]
    # No more than the features with their lanes filled up.
    lanes = {"cuda": 32, "tpu": 128}[platform]
    assert max(sizes) <= max(batch, default=1) * (321 * 321 + 128) * lanes


@pytest.mark.parametrize("name", ["row_sums", "feature_slope"])
def test_no_product_is_rounded_to_fewer_bits(name):
    run, arguments = at_full_size(getattr(affinity_kl_pallas, name))
    text = str(jax.make_jaxpr(run)(*arguments))
    highest = text.count("precision=(Precision.HIGHEST, Precision.HIGHEST)")
    assert highest == text.count("dot_general[") > 0


def test_a_block_is_a_power_of_two():
    arguments = draw(5, 2, FAR, np.ones(5, bool), 1)[:4]
    for block in (8, 48):
        with pytest.raises(ValueError, match=f"block is {block}: take"):
            affinity_kl_pallas.row_sums(*arguments, block=block, interpret=True)
