"""Soft Dice against a NumPy loop in float64, and on several devices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ipixmatch_jax.distributed import mesh as sharding
from ipixmatch_jax.losses import cross_entropy, dice
from ipixmatch_jax.losses.labelled import LABELLED_LOSSES, LossSettings

pytestmark = pytest.mark.slow

dice_loss = jax.jit(dice.dice_loss)
value_and_gradient = jax.jit(jax.value_and_grad(dice.dice_loss))


def slow_dice(logits, labels):
    """Dice from its definition, class by class and pixel by pixel."""
    overlap, sizes, classes = {}, {}, set()
    for place in np.ndindex(labels.shape):
        if labels[place] == 255:
            continue
        shares = np.exp(logits[place] - logits[place].max())
        shares = shares / shares.sum()
        classes.add(int(labels[place]))
        for k, share in enumerate(shares):
            true = float(labels[place] == k)
            overlap[k] = overlap.get(k, 0) + true * share
            sizes[k] = sizes.get(k, 0) + true + share
    if not classes:
        return 0.0
    return np.mean([1 - 2 * overlap[k] / sizes[k] for k in classes])


def draw(seed, shape=(2, 3, 4), classes=3):
    """Logits and labels without the last class; a third of them is ignored."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.standard_normal((*shape, classes))
    labels = rng.integers(0, classes - 1, shape)
    labels[rng.random(shape) < 0.3] = 255
    return logits, labels.astype(np.uint8)


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_value_and_gradient_equal_the_slow_loops(classes):
    logits, labels = draw(classes, classes=classes)
    value, gradient = value_and_gradient(
        jnp.float32(logits), jnp.asarray(labels)
    )
    np.testing.assert_allclose(value, slow_dice(logits, labels), rtol=1e-5)
    expected = np.zeros_like(logits)
    for place in np.ndindex(logits.shape):
        step = np.zeros_like(logits)
        step[place] = 1e-5
        above, below = (slow_dice(logits + s, labels) for s in (step, -step))
        expected[place] = (above - below) / 2e-5
    np.testing.assert_allclose(gradient, expected, atol=2e-7)
    assert not np.asarray(gradient)[labels == 255].any()


def test_values_calculated_by_hand():
    labels = np.array([[[0, 0, 0, 1]]], np.uint8)
    sure = 60 * np.eye(2)[labels]
    assert dice_loss(sure, labels) < 1e-25
    np.testing.assert_allclose(dice_loss(-sure, labels), 1)
    # Probability 1/2 everywhere: 1 - 2 * 1.5 / (3 + 2), 1 - 2 * 0.5 / (1 + 2).
    np.testing.assert_allclose(
        dice_loss(0 * sure, labels), (2 / 5 + 2 / 3) / 2, rtol=1e-6
    )


def test_nothing_labelled_gives_zero_and_a_zero_gradient():
    logits, labels = draw(1)
    labels[:] = 255
    value, gradient = value_and_gradient(
        jnp.float32(logits), jnp.asarray(labels)
    )
    assert value == 0 and not gradient.any()


def test_a_crop_of_background_only_still_has_a_gradient():
    logits, labels = draw(2)
    labels[:] = 0
    _, gradient = value_and_gradient(jnp.float32(logits), jnp.asarray(labels))
    assert (gradient[..., 0] < 0).all()


def test_small_errors_keep_their_digits():
    """Computed directly, 1 - 2PY / (P + Y) would lose a loss of 1e-7."""
    labels = np.zeros((1, 8, 8), np.uint8)
    logits = np.zeros((1, 8, 8, 2))
    logits[..., 0] = 16
    np.testing.assert_allclose(
        dice_loss(jnp.float32(logits), labels),
        # Only class 0: with q = e^-16 / (1 + e^-16) the loss is q / (2 - q).
        1 / (1 + 2 * np.exp(16)),
        rtol=1e-5,
    )


@pytest.mark.parametrize("name", ["dice", "ce+dice"])
def test_eight_devices_are_one(name):
    """The overlap is pooled over the whole batch, however it is cut."""
    entry = LABELLED_LOSSES[name]
    weights = (0.3, 2.0, 1.0) if entry.takes_class_weights else ()
    loss = entry.build(LossSettings(weights))
    logits, labels = draw(3, (8, 4, 5))
    labels[:3] = 0  # some devices see a single class
    both = []
    for count in (1, 8):
        mesh = sharding.make_mesh(count, 1)
        placed = sharding.put_batch((np.float32(logits), labels), mesh)
        both.append(jax.jit(jax.value_and_grad(loss))(*placed))
    np.testing.assert_allclose(both[0][0], both[1][0], rtol=1e-6)
    np.testing.assert_allclose(both[0][1], both[1][1], atol=1e-8)


def test_the_names_in_a_config_choose_the_losses():
    logits, labels = draw(4)
    logits = jnp.float32(logits)
    settings = LossSettings(ohem_threshold=0.7, ohem_min_kept=5)
    weights = (0.5, 4.0, 1.0)
    ce, soft = (
        cross_entropy.cross_entropy(logits, labels),
        slow_dice(logits, labels),
    )
    weighted = cross_entropy.weighted_cross_entropy(
        logits, labels, weights=weights
    )
    hard = cross_entropy.ohem_cross_entropy(
        logits, labels, threshold=0.7, min_kept=5
    )
    expected = {"ce": ce, "ohem": hard, "dice": soft, "ce+dice": ce + soft}
    for name, value in expected.items():
        loss = LABELLED_LOSSES[name].build(settings)
        found = jax.jit(loss)(logits, labels)
        np.testing.assert_allclose(found, value, rtol=1e-5)
    for name, value in (("ce", weighted), ("ce+dice", weighted + soft)):
        weighting = settings._replace(class_weights=weights)
        loss = LABELLED_LOSSES[name].build(weighting)
        found = jax.jit(loss)(logits, labels)
        np.testing.assert_allclose(found, value, rtol=1e-5)
