"""The mean teacher against a float64 loop over images and pixels."""

import functools

import jax
import numpy as np

from ipixmatch_jax.losses.cross_entropy import cross_entropy
from ipixmatch_jax.methods.mean_teacher import mean_teacher
from tests.methods import loops, pixel_network

close = functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5)


def slow(student, teacher, views):
    """(loss_x, loss_u, target, mixed logits, valid, statistic), by loops."""
    student, views = loops.Network(student), loops.widen(views)
    (labelled,) = student.train(views.labelled)
    (mixed,) = student.train(loops.cut_mix(views.strong[0], views.box[0]))
    weak = loops.Network(teacher).eval(views.weak)
    target = loops.cut_mix(weak, views.box[0])
    valid = loops.cut_mix(views.valid, views.box[0])
    total, confident = 0.0, 0
    for place in np.ndindex(valid.shape):
        q, p = loops.softmax(mixed[place]), loops.softmax(target[place])
        confident += p.max() >= 0.8
        total += valid[place] * np.square(q - p).sum()
    loss_u = total / valid.size * confident / valid.size
    loss_x = loops.cross_entropy(labelled, views.labels)
    return loss_x, loss_u, target, mixed, valid, student.mean


def test_losses_targets_and_statistics_equal_the_slow_loops():
    student, teacher = map(pixel_network.variables, (0, 1))
    views = loops.draw_views(2)
    run = functools.partial(
        mean_teacher,
        pixel_network.forward,
        labelled_loss=cross_entropy,
        threshold=0.8,
        unlabelled_weight=0.7,
    )
    outcome = jax.jit(run)(student, teacher, views)
    loss_x, loss_u, target, mixed, valid, mean = slow(student, teacher, views)
    close(outcome.metrics["loss_x"], loss_x)
    close(outcome.metrics["loss_u"], loss_u)
    close(outcome.total, loss_x + 0.7 * loss_u)
    close(outcome.batch_stats["mean"], mean)
    (pair,) = outcome.consistency
    close(pair.student.logits, mixed)
    close(pair.teacher.logits, target)
    np.testing.assert_array_equal(pair.valid, valid)
