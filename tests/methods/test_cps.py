"""Cross pseudo supervision against a float64 loop; the two in one tree."""

import functools

import numpy as np

from ipixmatch_jax.losses.cross_entropy import cross_entropy
from ipixmatch_jax.methods import two_students
from ipixmatch_jax.methods.cps import cps
from tests.methods import loops, pixel_network

close = functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5)


def slow(both, views):
    """Labelled losses, cross losses, targets, mixed logits, statistics."""
    views = loops.widen(views)
    networks = [loops.Network(variables) for variables in both]
    valid = loops.cut_mix(views.valid, views.box[0])
    image = loops.cut_mix(views.strong[0], views.box[0])
    targets, mixed, labelled = [], [], []
    for network in networks:
        targets.append(loops.cut_mix(*network.train(views.weak), views.box[0]))
        mixed += network.train(image)
        labelled += network.train(views.labelled)
    losses_x = [loops.cross_entropy(x, views.labels) for x in labelled]
    cross = [
        loops.hard_loss(mixed[i], targets[1 - i], valid, 0.0) for i in (0, 1)
    ]
    return losses_x, cross, targets, mixed, [n.mean for n in networks]


def test_losses_targets_and_statistics_are_the_slow_loops():
    both = pixel_network.variables(0), pixel_network.variables(1)
    views = loops.draw_views(2)
    outcome = cps(
        pixel_network.forward,
        two_students.variables(*both),
        None,
        views,
        labelled_loss=cross_entropy,
        threshold=0.0,
        unlabelled_weight=1.5,
    )
    losses_x, cross, targets, mixed, means = slow(both, views)
    for i in (0, 1):
        close(outcome.metrics[f"loss_x_{i + 1}"], losses_x[i])
        close(outcome.metrics[f"loss_u_{i + 1}"], cross[i])
        pair = outcome.consistency[i]
        close(pair.student_logits, mixed[i])
        close(pair.teacher_logits, targets[1 - i])
    close(outcome.total, sum(losses_x) + 1.5 * sum(cross))
    names = ("student", "twin")
    for name, mean in zip(names, means, strict=True):
        close(outcome.batch_stats[name]["mean"], mean)


def test_the_twins_come_apart_as_they_were_put_together():
    both = pixel_network.variables(0), pixel_network.variables(1)
    apart = two_students.networks(two_students.variables(*both))
    assert list(apart) == ["student", "twin"]
    assert apart["student"] == both[0]
    assert apart["twin"] == both[1]
    assert two_students.networks(both[0]) == {"student": both[0]}
