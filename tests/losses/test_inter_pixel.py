"""The readings of the inter-pixel loss against slow float64 twins."""

import functools

import chex
import hypothesis
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st

from ipixmatch_jax.losses.inter_pixel import inter_pixel_loss

READINGS = [("channel", "kl"), ("channel", "correlation"), ("pixel", "kl")]


def softmax(x, axis=-1):
    x = np.exp(x - x.max(axis, keepdims=True))
    return x / x.sum(axis, keepdims=True)


def kl(p_logits, q_logits):
    """KL(softmax(p) || softmax(q)) of two vectors of logits."""

    def log_softmax(x):
        x = x - x.max()
        return x - np.log(np.exp(x).sum())

    log_p, log_q = log_softmax(p_logits), log_softmax(q_logits)
    return np.sum(np.exp(log_p) * (log_p - log_q))


def slow_image(q, p, relation, distance, temperature):
    """One image: q, p float64 [n, C] over Omega, loop by loop."""
    if len(q) < 2:
        return 0.0
    classes = range(q.shape[1])
    if (relation, distance) == ("channel", "kl"):
        terms = [
            kl(p[:, c] / temperature, q[:, c] / temperature) for c in classes
        ]
        return temperature**2 * np.mean(terms)
    if relation == "pixel":
        terms = [
            kl(a / temperature, b / temperature)
            for a, b in zip(p, q, strict=True)
        ]
        return temperature**2 * np.mean(terms)
    terms = []
    for yq, yp in zip(softmax(q).T, softmax(p).T, strict=True):
        if yp.var() < 1e-8:
            continue
        yq, yp = yq - yq.mean(), yp - yp.mean()
        norms = np.linalg.norm(yq) * np.linalg.norm(yp)
        terms.append(1 - yq @ yp / (norms + 1e-12))
    return np.mean(terms) if terms else 0.0


def slow(q, p, valid, *, relation, distance, temperature, threshold):
    q, p = q.astype(np.float64), p.astype(np.float64)
    values = []
    for qb, pb, vb in zip(q, p, valid, strict=True):
        omega = vb & (softmax(pb).max(-1) >= threshold)
        values.append(
            slow_image(qb[omega], pb[omega], relation, distance, temperature)
        )
    return np.mean(values)


def draw(seed, shape=(2, 5, 6), classes=4, scale=3.0):
    rng = np.random.default_rng(seed)
    q, p = scale * rng.standard_normal((2, *shape, classes)).astype(np.float32)
    return q, p, rng.random(shape) < 0.8


def loss(q, p, valid, relation, distance, temperature=2.0, threshold=0.5):
    return inter_pixel_loss(
        q,
        p,
        valid,
        relation=relation,
        distance=distance,
        temperature=temperature,
        threshold=threshold,
    )[0]


@pytest.mark.parametrize(("relation", "distance"), READINGS)
@hypothesis.settings(max_examples=25, deadline=None, derandomize=True)
@hypothesis.given(
    seed=st.integers(0, 1000),
    batch=st.integers(1, 3),
    classes=st.sampled_from([2, 3, 21]),
    temperature=st.sampled_from([0.25, 1.0, 8.0]),
    threshold=st.sampled_from([0.0, 0.6, 0.95, 1.01]),
)
def test_value_is_the_slow_twins(
    relation, distance, seed, batch, classes, temperature, threshold
):
    q, p, valid = draw(seed, (batch, 4, 5), classes)
    settings = {
        "relation": relation,
        "distance": distance,
        "temperature": temperature,
        "threshold": threshold,
    }
    actual, aux = inter_pixel_loss(q, p, valid, **settings)
    expected = slow(q, p, valid, **settings)
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)
    chex.assert_shape(aux.per_image, (batch,))
    confident = valid & (softmax(p.astype(np.float64)).max(-1) >= threshold)
    share = confident.sum() / max(valid.sum(), 1)
    np.testing.assert_allclose(aux.confident_share, share, rtol=1e-6)


@pytest.mark.parametrize(("relation", "distance"), READINGS)
def test_gradient_is_the_twins_central_difference(relation, distance):
    q, p, valid = draw(7, (2, 3, 4), 3)
    settings = {
        "relation": relation,
        "distance": distance,
        "temperature": 1.5,
        "threshold": 0.5,
    }
    actual = jax.grad(lambda x: inter_pixel_loss(x, p, valid, **settings)[0])(q)
    expected = np.zeros(q.shape)
    for place in np.ndindex(q.shape):
        step = np.zeros(q.shape)
        step[place] = 1e-4
        up = slow(q + step, p, valid, **settings)
        down = slow(q - step, p, valid, **settings)
        expected[place] = (up - down) / 2e-4
    error = np.linalg.norm(actual - expected)
    assert error < 1e-3 * np.linalg.norm(expected)


@pytest.mark.parametrize(("relation", "distance"), READINGS)
def test_zero_at_the_teacher_and_no_gradient_into_it(relation, distance):
    q, p, valid = draw(1)
    assert abs(loss(p, p, valid, relation, distance)) < 1e-6
    to_teacher = jax.grad(loss, argnums=1)(q, p, valid, relation, distance)
    assert not np.any(to_teacher)


@pytest.mark.parametrize(("relation", "distance"), READINGS)
@pytest.mark.parametrize("scale", [1.0, 1e4])
@pytest.mark.parametrize("pixels", [0, 1, 2, 30])
def test_everything_is_finite(relation, distance, scale, pixels):
    q, p, _ = draw(2, (1, 5, 6), 4, scale)
    valid = (np.arange(30) < pixels).reshape(1, 5, 6)
    value, gradient = jax.value_and_grad(loss)(
        q, p, valid, relation, distance, 1.0, 0.0
    )
    assert np.isfinite(value)
    assert np.all(np.isfinite(gradient))
    if pixels < 2:
        assert value == 0
        assert not np.any(gradient)


@pytest.mark.parametrize(("relation", "distance"), READINGS)
def test_constant_maps_and_bf16_are_finite(relation, distance):
    q = jnp.zeros((1, 4, 4, 3), jnp.bfloat16)
    valid = jnp.ones((1, 4, 4), bool)
    value, gradient = jax.value_and_grad(loss)(
        q, q, valid, relation, distance, 1.0, 0.0
    )
    chex.assert_type(value, jnp.float32)
    assert value == 0
    assert np.all(np.isfinite(gradient.astype(np.float32)))


def test_channel_kl_ignores_a_constant_per_channel():
    q, p, valid = draw(3)
    shifted = q + np.float32([1.0, -2.0, 0.5, 3.0])
    np.testing.assert_allclose(
        loss(shifted, p, valid, "channel", "kl"),
        loss(q, p, valid, "channel", "kl"),
        rtol=1e-4,
    )


def test_channel_kl_with_a_full_mask_is_channel_wise_distillation():
    q, p, _ = draw(4)
    temperature, (batch, classes) = 3.0, (q.shape[0], q.shape[-1])
    total = 0.0
    for b in range(batch):
        for c in range(classes):
            a, s = (
                softmax(x[b, ..., c].ravel().astype(np.float64) / temperature)
                for x in (p, q)
            )
            total += np.sum(a * np.log(a / s))
    np.testing.assert_allclose(
        loss(
            q, p, np.ones(q.shape[:3], bool), "channel", "kl", temperature, 0.0
        ),
        temperature**2 * total / (batch * classes),
        rtol=1e-4,
    )


def test_channel_correlation_of_one_image_is_dists_intra_class_term():
    q, p, _ = draw(5, (1, 5, 6))
    yq, yp = (softmax(x.reshape(-1, 4).astype(np.float64)) for x in (q, p))
    r = [np.corrcoef(yq[:, c], yp[:, c])[0, 1] for c in range(4)]
    np.testing.assert_allclose(
        loss(
            q, p, np.ones((1, 5, 6), bool), "channel", "correlation", 1.0, 0.0
        ),
        1 - np.mean(r),
        rtol=1e-4,
    )


@pytest.mark.parametrize(("relation", "distance"), READINGS)
def test_the_order_of_pixels_does_not_matter(relation, distance):
    q, p, valid = draw(6)
    order = np.random.default_rng(0).permutation(30)

    def shuffled(x):
        return x.reshape(2, 30, -1)[:, order].reshape(x.shape)

    np.testing.assert_allclose(
        loss(shuffled(q), shuffled(p), shuffled(valid), relation, distance),
        loss(q, p, valid, relation, distance),
        rtol=1e-4,
    )


class Variants(chex.TestCase):
    """The same value compiled or not."""

    @chex.variants(with_jit=True, without_jit=True)
    def test_jit_agrees_with_the_twin(self):
        q, p, valid = draw(8)
        for relation, distance in READINGS:
            settings = {
                "relation": relation,
                "distance": distance,
                "temperature": 2.0,
                "threshold": 0.5,
            }
            run = functools.partial(inter_pixel_loss, **settings)
            actual, _ = self.variant(run)(q, p, valid)
            expected = slow(q, p, valid, **settings)
            np.testing.assert_allclose(actual, expected, rtol=1e-4)


@pytest.mark.parametrize(("relation", "distance"), READINGS)
def test_eight_devices_agree_with_one_and_gather_no_logits(relation, distance):
    q, p, valid = draw(9, (8, 5, 6))
    mesh = jax.make_mesh(
        (8,), ("data",), axis_types=(jax.sharding.AxisType.Auto,)
    )
    split = jax.NamedSharding(mesh, jax.P("data"))
    run = jax.jit(
        jax.value_and_grad(
            lambda *x: loss(*x, relation=relation, distance=distance)
        ),
        in_shardings=(split,) * 3,
    )
    value, gradient = run(q, p, valid)
    one, one_gradient = jax.value_and_grad(loss)(
        q, p, valid, relation, distance
    )
    np.testing.assert_allclose(value, one, rtol=1e-5)
    np.testing.assert_allclose(gradient, one_gradient, rtol=1e-4, atol=1e-7)
    text = run.lower(q, p, valid).compile().as_text()
    for collective in ("all-gather", "all-to-all", "collective-permute"):
        assert collective not in text


def test_an_unknown_pair_names_the_right_ones():
    q, p, valid = draw(10)
    with pytest.raises(ValueError, match="channel/kl, channel/correlation"):
        loss(q, p, valid, "pixel", "correlation")
