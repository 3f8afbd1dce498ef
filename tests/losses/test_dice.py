"""Soft Dice against a NumPy loop in float64, and over devices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ipixmatch_jax.distributed import mesh as sharding
from ipixmatch_jax.losses import cross_entropy, dice, labelled


def slow_dice(logits, labels):
    """Class by class and pixel by pixel, from the definition."""
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
    """Logits and labels; the last class is nowhere, a third is ignored."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.standard_normal((*shape, classes))
    labels = rng.integers(0, classes - 1, shape)
    labels[rng.random(shape) < 0.3] = 255
    return logits, labels.astype(np.uint8)


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_value_and_gradient_are_the_loops(classes):
    logits, labels = draw(classes, classes=classes)
    value, gradient = jax.value_and_grad(dice.dice_loss)(
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
    assert not gradient[labels == 255].any()


def test_by_hand_at_its_ends_and_between():
    labels = np.array([[[0, 0, 0, 1]]], np.uint8)
    sure = 60 * np.eye(2)[labels]
    assert dice.dice_loss(sure, labels) < 1e-25
    np.testing.assert_allclose(dice.dice_loss(-sure, labels), 1)
    # Half sure everywhere: 1 - 2 * 1.5 / (3 + 2) and 1 - 2 * 0.5 / (1 + 2).
    np.testing.assert_allclose(
        dice.dice_loss(0 * sure, labels), (2 / 5 + 2 / 3) / 2, rtol=1e-6
    )


def test_nothing_labelled_gives_zero_and_a_zero_gradient():
    logits, labels = draw(1)
    labels[:] = 255
    value, gradient = jax.value_and_grad(dice.dice_loss)(
        jnp.float32(logits), jnp.asarray(labels)
    )
    assert value == 0 and not gradient.any()


def test_a_crop_of_background_alone_still_teaches_it():
    logits, labels = draw(2)
    labels[:] = 0
    gradient = jax.grad(dice.dice_loss)(
        jnp.float32(logits), jnp.asarray(labels)
    )
    assert (gradient[..., 0] < 0).all()


def test_small_errors_keep_their_digits():
    """1 - 2PY / (P + Y) as it stands would leave none of 1e-7."""
    labels = np.zeros((1, 8, 8), np.uint8)
    logits = np.zeros((1, 8, 8, 2))
    logits[..., 0] = 16
    np.testing.assert_allclose(
        dice.dice_loss(jnp.float32(logits), labels),
        # Of class 0 alone: q = e^-16 / (1 + e^-16), and q / (2 - q).
        1 / (1 + 2 * np.exp(16)),
        rtol=1e-5,
    )


@pytest.mark.parametrize("name", ["dice", "ce+dice"])
def test_eight_devices_are_one(name):
    """The overlap is pooled over the whole batch, however it is cut."""
    loss = labelled.make(
        name, class_weights=(0.3, 2.0, 1.0), ohem_threshold=0.7, ohem_min_kept=0
    )
    if name == "dice":
        loss = labelled.make(name, ohem_threshold=0.7, ohem_min_kept=0)
    logits, labels = draw(3, (8, 4, 5))
    labels[:3] = 0  # some devices see one class alone
    both = []
    for count in (1, 8):
        mesh = sharding.make_mesh(count, 1)
        placed = sharding.put_batch((np.float32(logits), labels), mesh)
        both.append(jax.jit(jax.value_and_grad(loss))(*placed))
    np.testing.assert_allclose(both[0][0], both[1][0], rtol=1e-6)
    np.testing.assert_allclose(both[0][1], both[1][1], atol=1e-8)


def test_names_of_a_config_give_their_losses():
    logits, labels = draw(4)
    logits = jnp.float32(logits)
    settings = {"ohem_threshold": 0.7, "ohem_min_kept": 5}
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
        loss = labelled.make(name, **settings)
        np.testing.assert_allclose(loss(logits, labels), value, rtol=1e-5)
    for name, value in (("ce", weighted), ("ce+dice", weighted + soft)):
        loss = labelled.make(name, class_weights=weights, **settings)
        np.testing.assert_allclose(loss(logits, labels), value, rtol=1e-5)
