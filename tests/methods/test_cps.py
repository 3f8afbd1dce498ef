"""Cross pseudo supervision against a float64 loop; two networks in a tree."""

import functools

import jax
import numpy as np

from ipixmatch_jax.losses.cross_entropy import cross_entropy
from ipixmatch_jax.methods.cps import cps
from ipixmatch_jax.methods.networks import join_networks, split_networks
from tests.methods import loops, pixel_network

NAMES = ("student", "twin")
close = functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5)


def slow(both, views):
    """Labelled and cross losses, targets, logits and statistics by loops."""
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


def test_losses_targets_and_statistics_equal_the_slow_loops():
    both = pixel_network.variables(0), pixel_network.variables(1)
    views = loops.draw_views(2)
    networks = join_networks(dict(zip(NAMES, both, strict=True)))

    def call(networks, views):
        return cps(
            pixel_network.forward,
            networks,
            None,
            views,
            labelled_loss=cross_entropy,
            threshold=0.0,
            unlabelled_weight=1.5,
        )

    outcome = jax.device_get(jax.jit(call)(networks, views))
    losses_x, cross, targets, mixed, means = slow(both, views)
    for i in (0, 1):
        close(outcome.metrics[f"loss_x_{i + 1}"], losses_x[i])
        close(outcome.metrics[f"loss_u_{i + 1}"], cross[i])
        pair = outcome.consistency[i]
        close(pair.student.logits, mixed[i])
        close(pair.teacher.logits, targets[1 - i])
    close(outcome.total, sum(losses_x) + 1.5 * sum(cross))
    for name, mean in zip(NAMES, means, strict=True):
        close(outcome.batch_stats[name]["mean"], mean)


def test_networks_that_were_joined_are_split_again():
    both = pixel_network.variables(0), pixel_network.variables(1)
    networks = dict(zip(NAMES, both, strict=True))
    joined = join_networks(networks)
    assert set(joined["params"]) == set(NAMES)
    assert split_networks(joined) == networks


def test_a_network_alone_keeps_its_tree():
    one = pixel_network.variables(0)
    assert join_networks({"student": one}) is one
    assert split_networks(one) == {"student": one}
