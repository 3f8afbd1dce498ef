"""Every reading of the inter-pixel loss against N x N float64 versions."""

import functools
from unittest import mock

import chex
import hypothesis
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st

from ipixmatch_jax.losses.inter_pixel.agents_kl import choose_agents
from ipixmatch_jax.losses.inter_pixel.loss import inter_pixel_loss
from ipixmatch_jax.losses.inter_pixel.registry import READINGS
from tests.losses.inter_pixel import twin as twin

pytestmark = pytest.mark.slow

every_reading = pytest.mark.parametrize(("relation", "distance"), READINGS)
at_once_or_not = pytest.mark.parametrize("whole", [False, True])
SHAPES = [
    (1, 4, 5, 2),
    (2, 5, 6, 4),
    (3, 2, 3, 21),
    (4, 1, 7, 3),
    (1, 9, 3, 13),
]


def draw(seed, shape=(2, 5, 6, 4), scale=3.0):
    rng = np.random.default_rng(seed)
    q, p = scale * rng.standard_normal((2, *shape))
    return q.astype(np.float32), p.astype(np.float32), np.ones(shape[:3], bool)


def draw_mask(seed, shape, kind):
    """A mask with none, one, two, some or all of each image's pixels."""
    pixels = shape[1] * shape[2]
    count = {"none": 0, "one": 1, "two": 2, "all": pixels}.get(kind)
    rng = np.random.default_rng(seed)
    order = np.argsort(rng.random((shape[0], pixels)), -1)
    if count is None:
        count = rng.integers(0, pixels, (shape[0], 1))
    return (order < count).reshape(shape[:3])


def value_and_gradients(q, p, valid, *, block, whole, **given):
    def loss(q, p):
        return inter_pixel_loss(q, p, valid, block=block, **given)

    def elsewhere(*operands, cpu, default):
        return (default if whole else cpu)(*operands)

    grad_fn = jax.value_and_grad(loss, (0, 1), has_aux=True)
    with mock.patch.object(jax.lax, "platform_dependent", elsewhere):
        (value, aux), (gradient, to_teacher) = grad_fn(q, p)
    return value, aux, gradient, to_teacher


def compiled(level):
    return jax.jit(
        value_and_gradients,
        static_argnames=(
            *("relation", "distance", "block", "stride", "whole", "agents"),
        ),
        compiler_options={"xla_backend_optimization_level": level},
    )


quick, exact = compiled(0), compiled(1)


def run(q, p, valid, *, block=None, whole=False, **given):
    """Value, Aux and both gradients in NumPy; compiled once per shape.

    Blocks have eight pixels, so an image has several tiles, or several blocks
    of which the last one overlaps. With `whole` the linear readings take an
    image at once, as they do on a GPU or TPU; the tiled ones never do.
    """
    tiled = READINGS[given["relation"], given["distance"]].tiled
    block = block or (8 if tiled else 1)
    whole = whole and not tiled
    # Without LLVM's optimisations the rounding of the logits gives a gradient
    # where both maps lie on one pixel.
    of_logits = given["relation"] in ("channel", "pixel")
    function = exact if of_logits and given["distance"] == "kl" else quick
    # Of one dtype: a Python number would be another program.
    given |= {x: np.float32(given[x]) for x in ("temperature", "threshold")}
    found = function(q, p, valid, block=block, whole=whole, **given)
    # Each operation on arrays of jax would be another program.
    return jax.device_get(found)


def settings(relation, distance, temperature=2.0, threshold=0.5):
    return {
        "relation": relation,
        "distance": distance,
        "temperature": temperature,
        "threshold": threshold,
    } | ({"agents": 5} if relation == "agents" else {})


@every_reading
@hypothesis.settings(max_examples=40, deadline=None, derandomize=True)
@hypothesis.given(
    seed=st.integers(0, 10_000),
    shape=st.sampled_from(SHAPES),
    mask=st.sampled_from(["none", "one", "two", "some", "all"]),
    scale=st.sampled_from([0.1, 3.0, 100.0, 1e4]),
    noise=st.sampled_from([None, 0.1, 1e-3]),
    temperature=st.floats(0.25, 8.0),
    threshold=st.sampled_from([0.0, 0.6, 0.95, 1.01]),
    whole=st.booleans(),
)
@hypothesis.example(
    # Both maps lie on one pixel; rounding of its logits must give no gradient.
    seed=512,
    shape=(1, 4, 5, 2),
    mask="two",
    scale=1e4,
    noise=None,
    temperature=3.0,
    threshold=0.0,
    whole=False,
)
def test_value_and_gradient_equal_the_float64_version(
    relation,
    distance,
    seed,
    shape,
    mask,
    scale,
    noise,
    temperature,
    threshold,
    whole,
):
    q, p, _ = draw(seed, shape, scale)
    if noise is not None:
        q = (p + noise / scale * q).astype(np.float32)
    valid = draw_mask(seed, shape, mask)
    given = settings(relation, distance, np.float32(temperature), threshold)
    value, aux, gradient, _ = run(q, p, valid, whole=whole, **given)
    expected = twin.per_image(q, p, valid, **given)
    largest = max(1.0, np.abs(q).max(), np.abs(p).max())
    close = functools.partial(
        np.testing.assert_allclose, rtol=1e-4, atol=1e-6 * largest
    )
    confident = twin.confident(p, valid, threshold)
    # With two pixels r is 1 or -1. The error of 1 - r is the rounding of the
    # maps, 6e-8, divided by their deviation, which is at least 1e-4.
    pair = (confident.sum((1, 2)) == 2) & (distance == "correlation")
    close(aux.per_image[~pair], expected[~pair])
    np.testing.assert_allclose(aux.per_image[pair], expected[pair], atol=6e-4)
    close(value, aux.per_image.mean())
    share = confident.sum() / max(valid.sum(), 1)
    np.testing.assert_allclose(aux.confident_share, share, rtol=1e-6)
    assert not np.any(np.asarray(gradient)[~confident])
    slope = twin.gradient(q, p, valid, **given)
    error = gradient - slope
    rounding = 2e-7
    if distance == "correlation":
        # The gradient of r = 1 or -1 is such a rounding error too.
        error = error[~pair]
        rounding = 1e-5
    rounding *= max(1.0, expected.max())
    assert np.linalg.norm(error) <= 1e-3 * np.linalg.norm(slope) + rounding


@every_reading
@at_once_or_not
@pytest.mark.parametrize("temperature", [0.25, 8.0])
def test_near_the_teacher_value_and_gradient_stay_right(
    relation, distance, temperature, whole
):
    """Here the difference of two sums would consist of rounding only."""
    shape = (1, 12, 12, 21)
    _, p, valid = draw(11, shape)
    noise = np.random.default_rng(12).standard_normal(shape)
    q = (p + 1e-3 * noise).astype(np.float32)
    given = settings(relation, distance, temperature, 0.0)
    value, _, gradient, _ = run(q, p, valid, whole=whole, **given)
    expected = twin.per_image(q, p, valid, **given).mean()
    assert 0 < expected < 1e-5
    np.testing.assert_allclose(value, expected, rtol=1e-3)
    # Only along a few directions: all partial derivatives would take a minute.
    gradient = np.asarray(gradient, np.float64)
    directions = np.random.default_rng(13).standard_normal((4, *shape))
    for way in (*directions, gradient / np.abs(gradient).max()):
        step = 1e-4 * way
        up, down = (
            twin.per_image(q + side, p, valid, **given).mean()
            for side in (step, -step)
        )
        slope = (up - down) / 2e-4
        error = abs(np.sum(gradient * way) - slope)
        size = np.linalg.norm(gradient) * np.linalg.norm(way)
        assert error < 1e-3 * size


@every_reading
@at_once_or_not
def test_zero_at_the_teacher_and_no_gradient_into_it(relation, distance, whole):
    q, p, valid = draw(1)
    given = settings(relation, distance) | {"whole": whole}
    value, _, gradient, _ = run(p, p, valid, **given)
    assert abs(value) < 1e-6
    assert np.abs(gradient).max() < 1e-6
    *_, gradient, to_teacher = run(q, p, valid, **given)
    assert np.any(gradient)
    assert not np.any(to_teacher)


@every_reading
@at_once_or_not
@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
@pytest.mark.parametrize("pixels", [0, 1, 2, 30])
def test_everything_is_finite(relation, distance, scale, pixels, whole):
    given = settings(relation, distance, 1.0, 0.0) | {"whole": whole}
    q, p, _ = draw(2)
    valid = (np.arange(30) < pixels).reshape(1, 5, 6).repeat(2, 0)
    # Extremes of both signs; at scale 0 the student's logits are constant.
    q = scale * np.sign(q)
    for student, teacher in ((q, p), (q, scale * np.sign(p)), (p, q)):
        value, _, gradient, _ = run(student, teacher, valid, **given)
        assert np.isfinite(value)
        assert np.all(np.isfinite(gradient))
        if pixels < 2:
            assert value == 0
            assert not np.any(gradient)


@every_reading
def test_bf16_logits_are_computed_in_float32(relation, distance):
    q, p, valid = draw(3, scale=30.0)
    q, p = jnp.asarray(q, jnp.bfloat16), jnp.asarray(p, jnp.bfloat16)
    given = settings(relation, distance)
    value, aux, gradient, _ = run(q, p, valid, **given)
    chex.assert_type([value, *aux], jnp.float32)
    chex.assert_type(gradient, jnp.bfloat16)
    exact = (np.asarray(x, np.float64) for x in (q, p))
    expected = twin.per_image(*exact, valid, **given)
    np.testing.assert_allclose(aux.per_image, expected, rtol=1e-4, atol=3e-5)


def test_channel_kl_ignores_a_constant_per_channel():
    q, p, valid = draw(3)
    shifted = q + np.float32([1.0, -2.0, 0.5, 3.0])
    given = settings("channel", "kl")
    np.testing.assert_allclose(
        run(shifted, p, valid, **given)[0],
        run(q, p, valid, **given)[0],
        rtol=1e-5,
    )


def test_channel_kl_with_a_full_mask_is_channel_wise_distillation():
    q, p, valid = draw(4)
    temperature, (batch, classes) = 3.0, (q.shape[0], q.shape[-1])
    total = 0.0
    for b in range(batch):
        for c in range(classes):
            a, s = (
                twin.softmax(x[b, ..., c].ravel().astype(float) / temperature)
                for x in (p, q)
            )
            total += np.sum(a * np.log(a / s))
    np.testing.assert_allclose(
        run(q, p, valid, **settings("channel", "kl", temperature, 0.0))[0],
        temperature**2 * total / (batch * classes),
        rtol=1e-4,
    )


def test_channel_correlation_of_one_image_is_dists_intra_class_term():
    q, p, valid = draw(5)
    given = settings("channel", "correlation", 1.0, 0.0)
    _, aux, *_ = run(q, p, valid, **given)
    for b, value in enumerate(aux.per_image):
        yq, yp = (
            twin.softmax(x[b].reshape(-1, 4).astype(float)) for x in (q, p)
        )
        r = [np.corrcoef(yq[:, c], yp[:, c])[0, 1] for c in range(4)]
        np.testing.assert_allclose(value, 1 - np.mean(r), rtol=1e-4)


def test_dists_pair_of_one_image_is_its_two_terms():
    q, p, valid = draw(14)
    given = settings("dist", "correlation", 1.0, 0.0)
    _, aux, *_ = run(q, p, valid, **given)
    for b, value in enumerate(aux.per_image):
        yq, yp = (
            twin.softmax(x[b].reshape(-1, 4).astype(float)) for x in (q, p)
        )
        classes = [
            np.corrcoef(*pair)[0, 1] for pair in zip(yq.T, yp.T, strict=True)
        ]
        pixels = [np.corrcoef(*pair)[0, 1] for pair in zip(yq, yp, strict=True)]
        expected = 1 - np.mean(classes) + 1 - np.mean(pixels)
        np.testing.assert_allclose(value, expected, rtol=1e-4)


def test_a_constant_student_map_is_uncorrelated_and_has_no_gradient():
    _, p, valid = draw(5)
    value, _, gradient, _ = run(
        np.ones_like(p), p, valid, **settings("channel", "correlation")
    )
    np.testing.assert_allclose(value, 1.0, rtol=1e-6)
    assert not np.any(gradient)


@every_reading
def test_the_order_of_pixels_does_not_matter(relation, distance):
    q, p, _ = draw(6)
    valid = draw_mask(6, p.shape, "some")
    order = np.random.default_rng(0).permutation(30)

    def shuffled(x):
        return x.reshape(2, 30, -1)[:, order].reshape(x.shape)

    given = settings(relation, distance)
    value, _, gradient, _ = run(q, p, valid, **given)
    other, _, slope, _ = run(*map(shuffled, (q, p, valid)), **given)
    np.testing.assert_allclose(other, value, rtol=1e-5)
    np.testing.assert_allclose(
        slope, shuffled(np.array(gradient)), rtol=1e-3, atol=1e-6
    )


def test_a_stride_takes_a_grid_of_pixels():
    q, p, valid = draw(7, (2, 5, 8, 3))
    given = settings("channel", "kl")
    _, aux, gradient, _ = run(q, p, valid, stride=3, **given)
    grid = [x[:, ::3, ::3] for x in (q, p, valid)]
    expected = twin.per_image(*grid, **given)
    np.testing.assert_allclose(aux.per_image, expected, rtol=1e-4)
    share = twin.confident(*grid[1:], given["threshold"]).mean()
    np.testing.assert_allclose(aux.confident_share, share, rtol=1e-6)
    gradient = np.array(gradient)
    assert np.any(gradient[:, ::3, ::3])
    gradient[:, ::3, ::3] = 0
    assert not np.any(gradient)


@every_reading
@pytest.mark.parametrize(
    "cut", [{"block": 2}, {"block": 3}, {"block": 64}, {"whole": True}], ids=str
)
def test_the_size_of_a_block_does_not_matter(relation, distance, cut):
    q, p, _ = draw(8)
    valid = draw_mask(8, p.shape, "some")
    given = settings(relation, distance)
    _, aux, gradient, _ = run(q, p, valid, **given, **cut)
    _, expected, slope, _ = run(q, p, valid, **given)
    np.testing.assert_allclose(aux.per_image, expected.per_image, rtol=1e-5)
    np.testing.assert_allclose(gradient, slope, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("relation", ["affinity", "agents"])
@pytest.mark.parametrize("temperature", [1e-3, 0.01, 100.0])
def test_similarities_are_right_at_any_temperature(relation, temperature):
    q, p, valid = draw(9)
    given = settings(relation, "kl", temperature, 0.0)
    value, _, gradient, _ = run(q, p, valid, **given)
    expected = twin.per_image(q, p, valid, **given).mean()
    np.testing.assert_allclose(value, expected, rtol=1e-4)
    slope = twin.gradient(q, p, valid, **given)
    error = np.linalg.norm(gradient - slope)
    assert error < 1e-3 * np.linalg.norm(slope)


def test_the_agents_are_the_slow_ones_and_no_two_are_one_pixel():
    rng = np.random.default_rng(15)
    features = np.float32(np.maximum(rng.standard_normal((40, 9)), 0))
    keep = rng.random(40) < 0.7
    features[np.flatnonzero(keep)[3]] = 0.0  # has no direction
    kept = np.flatnonzero(keep & features.any(-1))
    expected = kept[twin.choose_agents(np.float64(features[kept]), 12)]
    choose = jax.jit(choose_agents, static_argnums=2)
    found = choose(features, keep, 12)
    np.testing.assert_array_equal(found.place, expected)
    assert found.chosen.all()
    every = choose(features, keep, 64)
    assert every.chosen.sum() == len(kept)
    assert set(every.place[every.chosen].tolist()) == set(kept.tolist())


def test_the_threshold_of_features_is_for_other_logits():
    q, p, valid = draw(16)
    gate, *_ = draw(17)
    given = settings("agents", "kl")
    loss = jax.jit(functools.partial(inter_pixel_loss, **given))
    value, aux = loss(q, p, valid, gate)
    confident = twin.confident(gate, valid, given["threshold"])
    assert 0 < confident.sum() < confident.size
    expected = twin.per_image(q, p, confident, **given | {"threshold": 0.0})
    np.testing.assert_allclose(value, expected.mean(), rtol=1e-4)
    np.testing.assert_allclose(aux.confident_share, confident.mean(), rtol=1e-6)
