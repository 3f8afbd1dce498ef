"""SGD and Adam with a faster head; the poly schedule (UniMatch v1)."""

import jax
import jax.numpy as jnp
import optax
from jax import Array

from ipixmatch_jax.models.freezing import is_frozen

# Parameters by their place in the tree, in any of its networks.
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
    """The group of a parameter: the first of its keys that names one.

    Raises:
      ValueError: none does.
    """
    keys = [str(part.key) for part in path]
    for key in keys:
        if key in _GROUPS:
            return key
    raise ValueError(
        f"The parameter {'/'.join(keys)!r} belongs to no learning-rate group; "
        f"the groups are {', '.join(_GROUPS)}."
    )


def _with_groups(
    rule: optax.GradientTransformation,
    schedule: optax.Schedule,
    head_multiplier: float,
    weight_decay: float,
    frozen: tuple[str, ...],
) -> optax.GradientTransformation:
    """Decay added to the gradient, then the rule, then each group's rate.

    A frozen parameter has no decay; what momentum it still has from before,
    of a run that continues with other stages frozen, does not move it.
    """
    factors = {"backbone": 1.0, "head": head_multiplier}

    def decayed(path, update, param):
        if is_frozen(path, frozen):
            return jnp.zeros_like(update)
        return update + weight_decay * param

    def scaled(path, update):
        factor = factors[group_of(path)]
        return update * (0.0 if is_frozen(path, frozen) else factor)

    over = jax.tree_util.tree_map_with_path
    return optax.chain(
        optax.stateless(lambda updates, params: over(decayed, updates, params)),
        rule,
        optax.stateless(lambda updates, params: over(scaled, updates)),
        optax.scale_by_learning_rate(schedule),
    )


def sgd(
    schedule: optax.Schedule,
    *,
    head_multiplier: float,
    weight_decay: float,
    momentum: float = 0.9,
    frozen: tuple[str, ...] = (),
) -> optax.GradientTransformation:
    """torch's SGD: decay added to the gradient, then momentum, then the rate.

    Weight decay is on every parameter, biases and batch norms too
    (UniMatch v1). The head's rate is head_multiplier times the schedule's.
    `frozen` stages of the encoder do not move, see models/freezing.py.
    """
    rule = optax.trace(decay=momentum)
    return _with_groups(rule, schedule, head_multiplier, weight_decay, frozen)


def adam(
    schedule: optax.Schedule,
    *,
    head_multiplier: float,
    weight_decay: float,
    frozen: tuple[str, ...] = (),
) -> optax.GradientTransformation:
    """torch's Adam: decay added to the gradient, betas .9 and .999.

    French et al. train with it, without decay. `frozen`: see sgd.
    """
    rule = optax.scale_by_adam()
    return _with_groups(rule, schedule, head_multiplier, weight_decay, frozen)
