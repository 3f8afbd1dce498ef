"""Learning-rate schedules: (rate at step 0, steps of the run) -> schedule."""

import jax.numpy as jnp
import optax
from jax import Array


def poly_schedule(
    base: float, steps: int, power: float = 0.9
) -> optax.Schedule:
    """Learning rate of step k: base * (1 - (k-1)/steps)^power, base at 0.

    The reference sets the rate after the step, so the first two steps use
    the base rate (UniMatch v1).
    """

    def rate(count: Array) -> Array:
        done = jnp.clip(count - 1, 0, steps).astype(jnp.float32)
        return base * (1 - done / steps) ** power

    return rate


def constant_schedule(base: float, steps: int) -> optax.Schedule:
    """The same learning rate at every step (French et al.)."""
    del steps
    return optax.constant_schedule(base)
