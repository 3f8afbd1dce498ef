"""SGD and Adam against torch's rule in float64; the golden schedule."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from ipixmatch_jax.optimisers.adam import adam
from ipixmatch_jax.optimisers.param_groups import (
    Group,
    faster_head,
    frozen_groups,
)
from ipixmatch_jax.optimisers.schedules import poly_schedule
from ipixmatch_jax.optimisers.sgd import sgd


def test_the_schedule_equals_the_references(reference):
    golden = np.load(reference / "golden_resnet50.npz")["lr_used"]
    rate = poly_schedule(1e-3, 100)
    actual = [rate(jnp.int32(k)) for k in range(100)]
    np.testing.assert_allclose(actual, golden, rtol=1e-4)


def test_schedule_stays_finite_after_its_end():
    rate = poly_schedule(1e-3, 10)
    assert rate(jnp.int32(50)) == 0


def torch_sgd(start, grads, rates, decay, momentum=0.9):
    """torch.optim.SGD as in its documentation."""
    w, buffer = start, np.zeros_like(start)
    for grad, rate in zip(grads, rates, strict=True):
        buffer = momentum * buffer + grad + decay * w
        w = w - rate * buffer
    return w


def test_sgd_equals_torchs_with_a_higher_rate_for_the_head():
    rng = np.random.default_rng(0)
    params = {"backbone": {"w": rng.standard_normal(4)}}
    params["head"] = {"b": rng.standard_normal(3)}
    grads = [
        {"backbone": {"w": rng.standard_normal(4)}}
        | {"head": {"b": rng.standard_normal(3)}}
        for _ in range(6)
    ]
    schedule = poly_schedule(0.1, 10)
    tx = sgd(schedule, groups=faster_head(10.0), weight_decay=0.01)
    state, now = tx.init(params), params
    for grad in grads:
        updates, state = tx.update(grad, state, now)
        now = optax.apply_updates(now, updates)
    rates = [0.1 * (1 - max(k - 1, 0) / 10) ** 0.9 for k in range(6)]
    for group, leaf, factor in [("backbone", "w", 1), ("head", "b", 10)]:
        expected = torch_sgd(
            params[group][leaf],
            [grad[group][leaf] for grad in grads],
            [factor * rate for rate in rates],
            0.01,
        )
        np.testing.assert_allclose(now[group][leaf], expected, rtol=1e-4)


def test_a_parameter_outside_the_groups_is_named():
    tx = sgd(lambda _: 0.1, groups=faster_head(1.0), weight_decay=0.0)
    params = {"neck": {"w": jnp.zeros(2)}}
    with pytest.raises(ValueError, match="neck/w"):
        tx.update(params, tx.init(params), params)


def test_adam_equals_torchs_with_a_higher_rate_for_the_head():
    rng = np.random.default_rng(1)
    start, grads = rng.standard_normal((2, 4)), rng.standard_normal((5, 2, 4))
    tx = adam(
        optax.constant_schedule(0.01),
        groups=faster_head(10.0),
        weight_decay=0.1,
    )
    names = ("backbone", "head")
    now = {n: {"w": x} for n, x in zip(names, start, strict=True)}
    state = tx.init(now)
    expected, first, second = start.copy(), np.zeros((2, 4)), np.zeros((2, 4))
    for k, grad in enumerate(grads):
        tree = {n: {"w": x} for n, x in zip(names, grad, strict=True)}
        updates, state = tx.update(tree, state, now)
        now = optax.apply_updates(now, updates)
        # torch.optim.Adam as in its documentation.
        grad = grad + 0.1 * expected
        first = 0.9 * first + 0.1 * grad
        second = 0.999 * second + 0.001 * grad**2
        mean = first / (1 - 0.9 ** (k + 1))
        deviation = np.sqrt(second / (1 - 0.999 ** (k + 1))) + 1e-8
        expected -= np.array([[0.01], [0.1]]) * mean / deviation
    actual = [now[name]["w"] for name in names]
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


def test_two_networks_have_the_groups_of_one():
    tx = sgd(lambda _: 1.0, groups=faster_head(3.0), weight_decay=0.0)
    one = {"backbone": {"w": jnp.ones(2)}, "head": {"b": jnp.ones(2)}}
    params = {"student": one, "twin": one}
    updates, _ = tx.update(params, tx.init(params), params)
    for network in updates.values():
        np.testing.assert_array_equal(network["backbone"]["w"], [-1, -1])
        np.testing.assert_array_equal(network["head"]["b"], [-3, -3])


def test_the_first_pattern_decides_and_a_frozen_group_stays_as_it_is():
    groups = (Group(r"(^|/)backbone/stem_", None), *faster_head(3.0))
    tx = sgd(lambda _: 1.0, groups=groups, weight_decay=0.5)
    one = {
        "backbone": {"stem_1": jnp.ones(2), "layer1_0": jnp.ones(2)},
        "head": {"b": jnp.ones(2)},
    }
    params = {"student": one, "twin": one}
    nan = {"backbone": {**one["backbone"], "stem_1": jnp.full(2, jnp.nan)}}
    grads = {"student": one | nan, "twin": one}
    updates, _ = tx.update(grads, tx.init(params), params)
    for network in updates.values():
        np.testing.assert_array_equal(network["backbone"]["stem_1"], [0, 0])
        np.testing.assert_array_equal(network["backbone"]["layer1_0"], -1.5)
        np.testing.assert_array_equal(network["head"]["b"], -4.5)


def test_frozen_paths_are_whole_names():
    groups = (*frozen_groups(["head/fuse_4/unit_1"]), *faster_head(3.0))
    tx = sgd(lambda _: 1.0, groups=groups, weight_decay=0.5)
    unit = {"w": jnp.ones(2)}
    units = {"unit_1": unit, "unit_10": unit}
    params = {"head": {"fuse_4": units, "old_head": units}}
    updates, _ = tx.update(params, tx.init(params), params)
    found = updates["head"]["fuse_4"]
    np.testing.assert_array_equal(found["unit_1"]["w"], [0, 0])
    np.testing.assert_array_equal(found["unit_10"]["w"], [-4.5, -4.5])
