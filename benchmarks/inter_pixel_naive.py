"""The affinity readings written directly, with N x N matrices."""

import jax
import jax.numpy as jnp
from jax import Array


def value_and_grad(distance: str):
    """Function (q, p, valid) -> value and gradient, every pixel confident.

    Args:
      distance: "mse", "correlation" or "kl" (at temperature 1).
    """

    def loss(q, p, valid):
        del valid  # every pixel counts
        rows = (x.reshape(len(x), -1, x.shape[-1]) for x in (q, p))
        student, teacher = map(_affinity, rows)
        teacher = jax.lax.stop_gradient(teacher)
        return _DISTANCES[distance](student, teacher).mean()

    return jax.value_and_grad(loss)


def _affinity(logits: Array) -> Array:
    y = jax.nn.softmax(logits)
    f = y / jnp.linalg.norm(y, axis=-1, keepdims=True)
    return jnp.einsum("bic,bjc->bij", f, f)


def _mse(student: Array, teacher: Array) -> Array:
    return jnp.square(student - teacher)


def _correlation(student: Array, teacher: Array) -> Array:
    student, teacher = (
        x - x.mean(-1, keepdims=True) for x in (student, teacher)
    )
    norms = jnp.linalg.norm(student, axis=-1) * jnp.linalg.norm(
        teacher, axis=-1
    )
    return 1 - jnp.sum(student * teacher, -1) / (norms + 1e-12)


def _kl(student: Array, teacher: Array) -> Array:
    log_p, log_q = jax.nn.log_softmax(teacher), jax.nn.log_softmax(student)
    return jnp.sum(jnp.exp(log_p) * (log_p - log_q), -1)


_DISTANCES = {"mse": _mse, "correlation": _correlation, "kl": _kl}
