"""FixMatch and supervised against float64 loops over images and pixels."""

import functools

import jax
import numpy as np
import pytest

from ipixmatch_jax.losses.cross_entropy import cross_entropy
from ipixmatch_jax.methods.base import Views
from ipixmatch_jax.methods.fixmatch import fixmatch
from ipixmatch_jax.methods.supervised import supervised
from tests.methods import loops, pixel_network

SETTINGS = {
    "labelled_loss": cross_entropy,
    "threshold": 0.8,
    "unlabelled_weight": 0.7,
}
close = functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5)


def slow(student, teacher, views):
    """(loss_x, loss_u, target logits, strong logits, statistic), by loops."""
    student, views = loops.Network(student), loops.widen(views)
    strong = loops.cut_mix(views.strong[0], views.box[0])
    if teacher is not None:
        weak = loops.Network(teacher).eval(views.weak)
        labelled, strong = student.train(views.labelled, strong)
    else:
        labelled, weak = student.train(views.labelled, views.weak)
        (strong,) = student.train(strong)
    target = loops.cut_mix(weak, views.box[0])
    valid = loops.cut_mix(views.valid, views.box[0])
    loss_x = loops.cross_entropy(labelled, views.labels)
    loss_u = loops.hard_loss(strong, target, valid, SETTINGS["threshold"])
    return loss_x, loss_u, target, strong, student.mean


@pytest.mark.parametrize("with_teacher", [True, False])
def test_losses_targets_and_statistics_equal_the_slow_loops(with_teacher):
    student = pixel_network.variables(0)
    teacher = pixel_network.variables(1) if with_teacher else None
    views = loops.draw_views(2)
    run = functools.partial(fixmatch, pixel_network.forward, **SETTINGS)
    outcome = jax.jit(run)(student, teacher, views)
    loss_x, loss_u, target, strong, mean = slow(student, teacher, views)
    close(outcome.metrics["loss_x"], loss_x)
    close(outcome.metrics["loss_u"], loss_u)
    close(outcome.total, (loss_x + 0.7 * loss_u) / 2)
    (pair,) = outcome.consistency
    close(pair.teacher.logits, target)
    close(pair.student.logits, strong)
    np.testing.assert_array_equal(
        pair.valid, loops.cut_mix(views.valid, views.box[0])
    )
    close(outcome.batch_stats["mean"], mean)


def test_confident_share_by_class_counts_the_weak_view():
    teacher = pixel_network.variables(1)
    views = loops.draw_views(3)
    student = pixel_network.variables(0)
    run = functools.partial(fixmatch, pixel_network.forward, **SETTINGS)
    outcome = jax.jit(run)(student, teacher, views)
    weak = loops.Network(teacher).eval(views.weak)[views.valid]
    confident = loops.softmax(weak).max(-1) >= SETTINGS["threshold"]
    metrics = outcome.metrics
    np.testing.assert_allclose(metrics["confident_share"], confident.mean())
    given = weak.argmax(-1)
    for c in range(4):
        mine = given == c
        share = confident[mine].mean() if mine.any() else 0.0
        np.testing.assert_allclose(
            metrics["confident_share_by_class"][c], share, rtol=1e-5
        )
        np.testing.assert_allclose(
            metrics["pseudo_label_share_by_class"][c], mine.mean(), rtol=1e-5
        )


def test_supervised_is_the_labelled_loss_only():
    student, views = pixel_network.variables(0), loops.draw_views(4)
    labelled = Views(views.labelled, views.labels)
    outcome = supervised(
        pixel_network.forward, student, None, labelled, **SETTINGS
    )
    output, _ = pixel_network.forward(student, views.labelled, True)
    assert outcome.total == cross_entropy(output.logits, views.labels)
    assert outcome.consistency == []
