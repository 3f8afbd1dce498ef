"""SGD with momentum, a poly schedule and a faster head (UniMatch v1)."""

import jax
import jax.numpy as jnp
import optax
from jax import Array

# Parameters by their place in the tree; the first match wins.
_GROUPS = ("backbone", "head")


def poly_schedule(
    base: float, steps: int, power: float = 0.9
) -> optax.Schedule:
    """Learning rate of step k: base * (1 - (k-1)/steps)^power, base at 0.

    The reference writes the rate after the step, so the first two steps use
    the base rate (UniMatch v1).
    """

    def rate(count: Array) -> Array:
        done = jnp.clip(count - 1, 0, steps).astype(jnp.float32)
        return base * (1 - done / steps) ** power

    return rate


def group_of(path: tuple) -> str:
    """The group of a parameter: its first key.

    Raises:
      ValueError: no group has that name.
    """
    first = path[0].key
    if first not in _GROUPS:
        name = "/".join(str(p.key) for p in path)
        raise ValueError(
            f"The parameter {name!r} belongs to no learning-rate group; the "
            f"groups are {', '.join(_GROUPS)}."
        )
    return first


def sgd(
    schedule: optax.Schedule,
    *,
    head_multiplier: float,
    weight_decay: float,
    momentum: float = 0.9,
) -> optax.GradientTransformation:
    """torch's SGD: decay added to the gradient, then momentum, then the rate.

    Weight decay is on every parameter, biases and batch norms too
    (UniMatch v1). The head's rate is head_multiplier times the schedule's.
    """
    factors = {"backbone": 1.0, "head": head_multiplier}

    def scale(updates):
        return jax.tree_util.tree_map_with_path(
            lambda path, u: u * factors[group_of(path)], updates
        )

    return optax.chain(
        optax.add_decayed_weights(weight_decay),
        optax.trace(decay=momentum),
        optax.stateless(lambda updates, params: scale(updates)),
        optax.scale_by_learning_rate(schedule),
    )
