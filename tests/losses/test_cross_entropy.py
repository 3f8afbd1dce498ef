"""Pixel losses against NumPy float64 and the reference's OHEM."""

import zlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ipixmatch_jax.losses import cross_entropy


def log_softmax(x):
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def pixel_losses(logits, labels):
    """{(b, i, j): cross entropy} of the labelled pixels, by a slow loop."""
    log_probs = log_softmax(logits.astype(np.float64))
    return {
        place: -log_probs[(*place, labels[place])]
        for place in np.ndindex(labels.shape)
        if labels[place] != 255
    }


def draw(seed, shape=(2, 5, 6), classes=4):
    rng = np.random.default_rng(seed)
    logits = 3 * rng.standard_normal((*shape, classes)).astype(np.float32)
    labels = rng.integers(0, classes, shape)
    labels[rng.random(shape) < 0.3] = 255
    return logits, labels.astype(np.uint8)


def test_cross_entropy_is_the_mean_over_labelled_pixels():
    logits, labels = draw(0)
    expected = np.mean(list(pixel_losses(logits, labels).values()))
    np.testing.assert_allclose(
        cross_entropy.cross_entropy(logits, labels), expected, rtol=1e-5
    )


@pytest.mark.parametrize(
    "loss",
    [
        cross_entropy.cross_entropy,
        lambda x, y: cross_entropy.weighted_cross_entropy(
            x, y, weights=(1, 2, 3, 4)
        ),
        lambda x, y: cross_entropy.ohem_cross_entropy(
            x, y, threshold=0.7, min_kept=9
        ),
    ],
)
def test_no_labelled_pixel_gives_zero_and_a_zero_gradient(loss):
    logits, labels = draw(1)
    labels[:] = 255
    value, gradient = jax.jit(jax.value_and_grad(loss))(logits, labels)
    assert value == 0
    assert not np.any(gradient)


def slow_weighted(logits, labels, weights):
    """Weighted mean as in torch: divided by the sum of the weights."""
    losses = pixel_losses(logits, labels)
    total = sum(weights[labels[p]] * losses[p] for p in losses)
    return total / sum(weights[labels[p]] for p in losses)


def test_weights_are_divided_by_their_sum_over_the_pixels():
    logits, labels = draw(5)
    weights = (0.2, 1.0, 7.0, 0.0)
    value, gradient = jax.value_and_grad(cross_entropy.weighted_cross_entropy)(
        jnp.asarray(logits), jnp.asarray(labels), weights=weights
    )
    expected = slow_weighted(logits, labels, weights)
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    # The closed form: w_y (softmax - one-hot) over the sum of w_y.
    each = np.where(labels == 255, 0, np.take(weights, labels % 255 % 4))
    shares = np.exp(log_softmax(logits.astype(np.float64)))
    slope = each[..., None] * (shares - np.eye(4)[labels % 255 % 4])
    np.testing.assert_allclose(gradient, slope / each.sum(), atol=1e-7)


def test_equal_weights_change_nothing_and_zero_weights_give_zero():
    logits, labels = draw(6)
    weighted = cross_entropy.weighted_cross_entropy
    np.testing.assert_allclose(
        weighted(logits, labels, weights=(3.0,) * 4),
        cross_entropy.cross_entropy(logits, labels),
        rtol=1e-6,
    )
    labels[labels == 1] = 255
    assert weighted(logits, labels, weights=(0.0, 1.0, 0.0, 0.0)) == 0


def slow_ohem(logits, labels, threshold, min_kept):
    losses = np.array(list(pixel_losses(logits, labels).values()))
    if min_kept == 0 or len(losses) < min_kept:
        return losses.mean()
    probabilities = np.exp(-losses)
    limit = max(threshold, np.sort(probabilities)[min_kept - 1])
    return losses[probabilities <= limit].mean()


@pytest.mark.parametrize("min_kept", [0, 3, 20, 35, 1000])
@pytest.mark.parametrize("threshold", [0.05, 0.7])
def test_ohem_keeps_the_pixels_of_the_slow_loop(threshold, min_kept):
    logits, labels = draw(2)
    actual = cross_entropy.ohem_cross_entropy(
        logits, labels, threshold=threshold, min_kept=min_kept
    )
    expected = slow_ohem(logits, labels, threshold, min_kept)
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


def test_ohem_equals_the_reference(reference):
    golden = np.load(reference / "golden_resnet50.npz")["ohem"]
    rng = np.random.default_rng(zlib.crc32(b"ohem"))
    logits = 3 * rng.standard_normal((2, 19, 40, 40)).astype(np.float32)
    logits = logits.transpose(0, 2, 3, 1)
    rng = np.random.default_rng(zlib.crc32(b"ohem_t"))
    labels = rng.integers(0, 19, (2, 40, 40))
    labels[:, :4] = 255
    regimes = [(0.7, 100000), (0.7, 200), (0.05, 2500), (0.7, 0)]
    loss = jax.jit(
        cross_entropy.ohem_cross_entropy,
        static_argnames=("threshold", "min_kept"),
    )
    actual = [loss(logits, labels, threshold=t, min_kept=k) for t, k in regimes]
    np.testing.assert_allclose(actual, golden, rtol=1e-5)


def test_masked_cross_entropy_divides_by_valid_pixels():
    logits, labels = draw(3)
    labels[labels == 255] = 0
    rng = np.random.default_rng(4)
    keep, valid = rng.random((2, *labels.shape)) < 0.6
    losses = pixel_losses(logits, labels)
    kept = [losses[p] for p in losses if keep[p] and valid[p]]
    loss = jax.jit(cross_entropy.masked_cross_entropy)
    np.testing.assert_allclose(
        loss(logits, labels, keep, valid),
        np.sum(kept) / valid.sum(),
        rtol=1e-5,
    )
    nothing = np.zeros_like(valid)
    assert loss(logits, labels, keep, nothing) == 0


def test_squared_difference_equals_the_slow_loop():
    rng = np.random.default_rng(8)
    student, teacher = 3 * rng.standard_normal((2, 2, 4, 5, 3))
    valid = rng.random((2, 4, 5)) < 0.7
    total = 0.0
    for place in zip(*np.nonzero(valid), strict=True):
        q, p = np.exp(student[place]), np.exp(teacher[place])
        total += np.square(q / q.sum() - p / p.sum()).sum()
    both = np.float32(student), np.float32(teacher)
    loss = cross_entropy.squared_difference
    actual = jax.jit(loss)(*both, valid)
    np.testing.assert_allclose(actual, total / valid.size, rtol=1e-5)
    grad = jax.jit(jax.grad(loss, 1))(*both, valid)
    assert not np.any(grad)
