"""Batch norm against NumPy float64, also with a sharded batch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P

from ipixmatch_jax.models.layers import norm_on_cpu
from ipixmatch_jax.models.layers.norm import BatchNorm


def _variables(rng, channels):
    return {
        "params": {
            "scale": rng.uniform(0.5, 1.5, channels).astype(np.float32),
            "bias": rng.standard_normal(channels).astype(np.float32),
        },
        "batch_stats": {
            "mean": rng.standard_normal(channels).astype(np.float32),
            "var": rng.uniform(0.5, 1.5, channels).astype(np.float32),
        },
    }


def _expected(x, mean, var, params):
    return (x - mean) / np.sqrt(var + 1e-5) * params["scale"] + params["bias"]


def test_training_uses_biased_and_stores_unbiased_variance():
    rng = np.random.default_rng(0)
    x = (rng.standard_normal((3, 1, 2, 5)) * 2 + 1).astype(np.float32)
    variables = _variables(rng, 5)
    y, updates = BatchNorm().apply(
        variables, x, train=True, mutable=["batch_stats"]
    )
    x, old = x.astype(np.float64), variables["batch_stats"]
    mean, var = x.mean((0, 1, 2)), x.var((0, 1, 2))
    np.testing.assert_allclose(
        y, _expected(x, mean, var, variables["params"]), atol=1e-5
    )
    new = updates["batch_stats"]
    np.testing.assert_allclose(
        new["mean"], 0.9 * old["mean"] + 0.1 * mean, rtol=1e-5
    )
    np.testing.assert_allclose(
        new["var"], 0.9 * old["var"] + 0.1 * var * 6 / 5, rtol=1e-5
    )


def test_eval_uses_the_running_statistics():
    rng = np.random.default_rng(1)
    x = rng.standard_normal((2, 4, 4, 3)).astype(np.float32)
    variables = _variables(rng, 3)
    stats = variables["batch_stats"]
    np.testing.assert_allclose(
        BatchNorm().apply(variables, x, train=False),
        _expected(x, stats["mean"], stats["var"], variables["params"]),
        atol=1e-5,
    )


@pytest.mark.parametrize(
    ("running", "mean", "std", "rtol"),
    [
        # The running mean is near: however far both are from zero.
        (100.0, 100.0, 0.01, 1e-3),
        (1e4, 1e4, 1.0, 1e-3),
        # It is 30 deviations away, as it may be in the first step: of the
        # mean's square, 900 times the variance, float32 keeps seven digits.
        (0.0, 30.0, 1.0, 1e-3),
    ],
)
def test_a_large_mean_keeps_its_variance(running, mean, std, rtol):
    x = np.random.default_rng(2).normal(mean, std, (4, 8, 8, 1))
    x = x.astype(np.float32)
    variables = {
        "params": {"scale": np.ones(1), "bias": np.zeros(1)},
        "batch_stats": {"mean": np.full(1, running), "var": np.zeros(1)},
    }
    variables = jax.tree.map(np.float32, variables)
    _, updates = BatchNorm().apply(
        variables, x, train=True, mutable=["batch_stats"]
    )
    expected = 0.1 * x.astype(np.float64).var(ddof=1)
    var = updates["batch_stats"]["var"]
    np.testing.assert_allclose(var, [expected], rtol=rtol)


@pytest.mark.parametrize("platform", ["cpu", "another"])
def test_gradients_equal_float64_differences(monkeypatch, platform):
    if platform == "another":
        monkeypatch.setattr(norm_on_cpu, "_pull_on_cpu", norm_on_cpu._pull)
    rng = np.random.default_rng(3)
    x = rng.standard_normal((3, 2, 2, 2)) * 2 + 1
    slope = rng.standard_normal(x.shape)
    variables = _variables(rng, 2)

    def apply(x, params):
        stats = variables["batch_stats"]
        return BatchNorm().apply(
            {"params": params, "batch_stats": stats},
            *(x, True),
            mutable=["batch_stats"],
        )[0]

    def expected(x, scale, bias):
        mean, var = x.mean((0, 1, 2)), x.var((0, 1, 2))
        params = {"scale": scale, "bias": bias}
        return np.vdot(slope, _expected(x, mean, var, params))

    params = variables["params"]

    @jax.jit
    def pull(x, params):
        return jax.vjp(apply, x, params)[1](np.float32(slope))

    to_x, to_params = jax.device_get(pull(np.float32(x), params))
    values = [x, *(np.float64(params[name]) for name in ("scale", "bias"))]
    found = [to_x, to_params["scale"], to_params["bias"]]
    for at, gradient in enumerate(found):
        for index in np.ndindex(gradient.shape):
            ends = []
            for step in (1e-5, -1e-5):
                moved = [value.copy() for value in values]
                moved[at][index] += step
                ends.append(expected(*moved))
            np.testing.assert_allclose(
                gradient[index], (ends[0] - ends[1]) / 2e-5, atol=2e-5
            )


def test_the_gradient_keeps_no_other_array_of_the_inputs_size():
    variables = _variables(np.random.default_rng(0), 3)
    x = jnp.ones((2, 4, 5, 3))

    def norm(x):
        return BatchNorm().apply(
            variables, x, train=True, mutable=["batch_stats"]
        )

    _, pull, _ = jax.vjp(norm, x, has_aux=True)
    (kept,) = [k for k in jax.tree.leaves(pull) if np.size(k) >= x.size]
    np.testing.assert_array_equal(kept, x)


def test_equal_values_have_a_variance_of_zero():
    x = np.full((2, 3, 3, 1), 0.1, np.float32)
    variables = BatchNorm().init(jax.random.key(0), x, train=False)
    y, updates = BatchNorm().apply(
        variables, x, train=True, mutable=["batch_stats"]
    )
    assert 0 <= updates["batch_stats"]["var"] - 0.9 < 1e-6
    np.testing.assert_allclose(y, np.zeros_like(x), atol=1e-4)


def test_bfloat16_output_from_float32_statistics():
    x = jnp.full((2, 2, 2, 1), 3.0, jnp.bfloat16)
    variables = {
        "params": {"scale": np.ones(1), "bias": np.zeros(1)},
        "batch_stats": {"mean": np.array([3.007]), "var": np.array([1e-4])},
    }
    variables = jax.tree.map(jnp.float32, variables)
    y = BatchNorm(jnp.bfloat16).apply(variables, x, train=False)
    assert y.dtype == jnp.bfloat16
    expected = -0.007 / np.sqrt(1.1e-4)
    np.testing.assert_allclose(y.astype(np.float32), expected, rtol=5e-3)


def test_one_value_per_channel_is_finite():
    x = jnp.ones((1, 1, 1, 2))
    variables = BatchNorm().init(jax.random.key(0), x, train=False)
    y, updates = BatchNorm().apply(
        variables, x, train=True, mutable=["batch_stats"]
    )
    assert np.all(np.isfinite(y))
    assert np.all(np.isfinite(updates["batch_stats"]["var"]))


@pytest.mark.parametrize("shape", [(8, 1), (2, 4)])
def test_statistics_are_those_of_the_global_batch(shape):
    rng = np.random.default_rng(3)
    # Each image has another mean, so statistics per device would differ widely.
    x = rng.standard_normal((8, 3, 3, 4)) + np.arange(8)[:, None, None, None]
    variables = _variables(rng, 4)
    mesh = jax.make_mesh(
        shape, ("data", "fsdp"), axis_types=(AxisType.Auto,) * 2
    )
    sharded = jax.device_put(
        x.astype(np.float32), jax.NamedSharding(mesh, P(("data", "fsdp")))
    )
    _, updates = jax.jit(
        lambda v, x: BatchNorm().apply(v, x, True, mutable=["batch_stats"])
    )(variables, sharded)
    var = 10 * (
        updates["batch_stats"]["var"] - 0.9 * variables["batch_stats"]["var"]
    )
    np.testing.assert_allclose(var, x.var((0, 1, 2), ddof=1), rtol=1e-4)
