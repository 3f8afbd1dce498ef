"""UniMatch against a float64 loop; its channel dropout."""

import functools

import jax
import numpy as np
import pytest

from ipixmatch_jax.losses.cross_entropy import cross_entropy
from ipixmatch_jax.methods.unimatch import channel_dropout, unimatch
from tests.methods import loops, pixel_network

SETTINGS = {
    "labelled_loss": cross_entropy,
    "threshold": 0.8,
    "unlabelled_weight": 0.7,
}
close = functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5)


def draw_masks(seed, b=4):
    """Dropout masks of c1 and c4; labelled and weak images alternate."""
    rng = np.random.default_rng(seed)
    return 2.0 * (rng.random((2, 2 * b, 1, 1, 3)) < 0.5)


def slow(student, teacher, views, masks):
    """Losses and (student, teacher, valid) of the three streams, by loops."""
    student, views = loops.Network(student), loops.widen(views)
    first = (views.labelled, views.weak)
    perturbed = student.dropped(first, masks[:, 1::2])
    labelled, weak = student.train(*first)
    if teacher is not None:
        weak = loops.Network(teacher).eval(views.weak)
    mixed = map(loops.cut_mix, views.strong, views.box)
    strong = student.train(*mixed)
    streams = [
        (q, loops.cut_mix(weak, box), loops.cut_mix(views.valid, box))
        for q, box in zip(strong, views.box, strict=True)
    ]
    streams.append((perturbed, weak, views.valid))
    losses = [loops.hard_loss(*one, SETTINGS["threshold"]) for one in streams]
    loss_x = loops.cross_entropy(labelled, views.labels)
    return loss_x, losses, streams, student.mean


@pytest.mark.parametrize("with_teacher", [True, False])
def test_losses_streams_and_statistics_equal_the_slow_loops(with_teacher):
    student = pixel_network.variables(0)
    teacher = pixel_network.variables(1) if with_teacher else None
    views, masks = loops.draw_views(2), draw_masks(3)
    run = functools.partial(
        unimatch,
        pixel_network.forward,
        perturb=lambda features: tuple(
            x * np.float32(m) for x, m in zip(features, masks, strict=True)
        ),
        **SETTINGS,
    )
    outcome = jax.jit(run)(student, teacher, views)
    loss_x, losses, streams, mean = slow(student, teacher, views, masks)
    metrics = outcome.metrics
    close(metrics["loss_x"], loss_x)
    for name, loss in zip(
        ("loss_u_1", "loss_u_2", "loss_fp"), losses, strict=True
    ):
        close(metrics[name], loss)
    unlabelled = 0.25 * losses[0] + 0.25 * losses[1] + 0.5 * losses[2]
    close(metrics["loss_u"], unlabelled)
    close(outcome.total, (loss_x + 0.7 * unlabelled) / 2)
    close(outcome.batch_stats["mean"], mean)
    for pair, (q, p, valid) in zip(outcome.consistency, streams, strict=True):
        close(pair.student.logits, q)
        close(pair.teacher.logits, p)
        np.testing.assert_array_equal(pair.valid, valid)


@jax.jit
def drop(seeds, features):
    return channel_dropout(seeds)(features)


def test_dropout_zeroes_half_of_the_channels_and_doubles_the_rest():
    rng = np.random.default_rng(0)
    seeds = rng.integers(0, 2**32, (8, 2), np.uint32)
    features = tuple(np.ones((16, 2, 3, n), np.float32) for n in (400, 7, 500))
    first, _, last = dropped = jax.device_get(drop(seeds, features))
    for x in dropped:
        assert set(np.unique(x)) == {0, 2}
        assert (x == x[:, :1, :1]).all()
        # Tolerance: five standard deviations of a share of 16 x 400 draws.
        assert abs(x.mean() / 2 - 0.5) < 5 * 0.5 / np.sqrt(16 * 400)
    # Each image and each feature has a mask of its own.
    masks = np.concatenate([first[:, 0, 0, :400], last[:, 0, 0, :400]])
    agreement = (masks[:, None] == masks).mean(-1)
    assert agreement[~np.eye(32, dtype=bool)].max() < 0.65


def test_dropout_depends_only_on_the_seeds():
    seeds = np.uint32([[1, 2], [3, 4]])
    features = (np.ones((4, 1, 1, 64), np.float32),) * 2
    both = jax.device_get(drop(seeds, features))
    swapped = drop(seeds[::-1].copy(), features)
    for one, other in zip(both, swapped, strict=True):
        other = np.asarray(other)[[2, 3, 0, 1]]
        np.testing.assert_array_equal(one, other)
