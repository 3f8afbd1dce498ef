"""Attention in blocks beside the formulas in NumPy float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ipixmatch_jax.models.layers.attention_on_cpu import attend_on_cpu


def reference(q, k, v, slope):
    """The output [B, N, heads, d] and the three slopes, in float64."""
    q, k, v, slope = (np.float64(x).swapaxes(1, 2) for x in (q, k, v, slope))
    scale = q.shape[-1] ** -0.5
    logits = scale * q @ k.swapaxes(2, 3)
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    by_weights = slope @ v.swapaxes(2, 3)
    mean = (by_weights * weights).sum(-1, keepdims=True)
    by_logits = scale * weights * (by_weights - mean)
    found = (
        weights @ v,
        by_logits @ k,
        by_logits.swapaxes(2, 3) @ q,
        weights.swapaxes(2, 3) @ slope,
    )
    return [x.swapaxes(1, 2) for x in found]


def both(tokens, dtype, size=1.0):
    rng = np.random.default_rng(tokens)
    shape = (2, tokens, 3, 8)
    given = [jnp.asarray(rng.normal(0, size, shape), dtype) for _ in range(4)]
    *inputs, slope = given
    out, back = jax.vjp(jax.jit(attend_on_cpu), *inputs)
    return (out, *back(slope)), reference(*given)


# Fewer tokens than a block has, exactly one block, and a part of a second one.
@pytest.mark.parametrize("tokens", [1, 5, 128, 150])
def test_output_and_gradient_equal_the_formulas(tokens):
    for ours, right in zip(*both(tokens, jnp.float32), strict=True):
        assert ours.dtype == jnp.float32
        np.testing.assert_allclose(ours, right, rtol=1e-5, atol=2e-6)


def test_large_logits_neither_overflow_nor_lose_the_gradient():
    for ours, right in zip(*both(150, jnp.float32, size=4.0), strict=True):
        np.testing.assert_allclose(ours, right, rtol=1e-4, atol=1e-3)


def test_bfloat16_is_rounded_once():
    for ours, right in zip(*both(150, jnp.bfloat16), strict=True):
        assert ours.dtype == jnp.bfloat16
        # Half a unit of bfloat16's eighth bit.
        np.testing.assert_allclose(
            np.float64(ours), right, rtol=2**-8, atol=1e-5
        )
