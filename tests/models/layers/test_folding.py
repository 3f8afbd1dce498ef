"""Folded batch norms against the definition in NumPy float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ipixmatch_jax.models.layers.conv import ConvNorm
from ipixmatch_jax.models.layers.folding import fold_batch_norms
from ipixmatch_jax.models.registry import build
from tests import golden


def draw_unit(rng, into=5, out=4):
    """Variables of a ConvNorm with a 3x3 kernel, in NumPy."""
    return {
        "params": {
            "conv": {"kernel": rng.standard_normal((3, 3, into, out))},
            "bn": {
                "scale": rng.uniform(-1.5, 1.5, out),
                "bias": rng.standard_normal(out),
            },
        },
        "batch_stats": {
            "bn": {
                "mean": rng.standard_normal(out),
                "var": rng.uniform(1e-6, 2.0, out),
            }
        },
    }


def expected(x, variables):
    """The unit without ReLU in float64, tap by tap."""
    kernel = variables["params"]["conv"]["kernel"]
    bn, stats = variables["params"]["bn"], variables["batch_stats"]["bn"]
    _, height, width, _ = x.shape
    padded = np.pad(x.astype(np.float64), [(0, 0), (1, 1), (1, 1), (0, 0)])
    y = sum(
        padded[:, r : r + height, c : c + width] @ kernel[r, c]
        for r in range(3)
        for c in range(3)
    )
    y = (y - stats["mean"]) / np.sqrt(stats["var"] + 1e-5)
    return y * bn["scale"] + bn["bias"]


def test_a_folded_unit_is_the_unit():
    rng = np.random.default_rng(0)
    variables = draw_unit(rng)
    folded = fold_batch_norms(variables)
    assert set(folded["params"]["bn"]) == {"bias"}
    assert folded["batch_stats"] == {}
    assert {x.dtype for x in jax.tree.leaves(folded)} == {np.dtype("float32")}
    x = rng.standard_normal((2, 6, 7, 5)).astype(np.float32)
    unit = ConvNorm(4, 3, relu=False)
    y = expected(x, variables)
    found = unit.apply(folded, x, False)
    np.testing.assert_allclose(found, y, atol=1e-6 * np.abs(y).max())
    # The variance of the third channel could be as small as epsilon.
    relu = ConvNorm(4, 3, dtype=jnp.bfloat16).apply(folded, x, False)
    assert relu.dtype == jnp.bfloat16
    np.testing.assert_allclose(
        np.float32(relu), np.maximum(y, 0), atol=0.02 * np.abs(y).max()
    )


def test_other_modules_keep_their_variables():
    rng = np.random.default_rng(1)
    unit = draw_unit(rng)
    bn, stats = unit["params"]["bn"], {"bn": {"mean": 3}}
    alone = {"bn": bn, "dense": {"kernel": np.ones(2)}}
    biased = {"bn": bn, "conv": {"kernel": np.ones(2), "bias": np.ones(2)}}
    folded = fold_batch_norms(
        {
            "params": {"a": {"b": unit["params"]}, "c": alone, "d": biased},
            "batch_stats": {
                "a": {"b": unit["batch_stats"]},
                "c": stats,
                "d": stats,
            },
        }
    )
    assert set(folded["params"]["a"]["b"]["bn"]) == {"bias"}
    assert folded["params"]["c"] == alone
    assert folded["params"]["d"] == biased
    assert folded["batch_stats"] == {"a": {"b": {}}, "c": stats, "d": stats}


@pytest.mark.slow
def test_a_folded_network_predicts_the_same():
    network = build("tiny", 3)
    variables = golden.random_variables(network)
    folded = fold_batch_norms(variables)
    names = jax.tree_util.tree_leaves_with_path(folded["params"])
    assert not any("scale" in jax.tree_util.keystr(path) for path, _ in names)
    assert jax.tree.leaves(folded["batch_stats"]) == []
    x = np.random.default_rng(2).standard_normal((2, 33, 41, 3), np.float32)
    sizes = np.int32([(33, 41), (20, 25)])
    forward = jax.jit(lambda v: network.apply(v, x, False, sizes))
    plain, found = forward(variables), forward(folded)
    spread = float(jnp.abs(plain).max())
    np.testing.assert_allclose(found, plain, atol=1e-5 * spread)
    agree = plain.argmax(-1) == found.argmax(-1)
    assert agree.mean() > 0.999
