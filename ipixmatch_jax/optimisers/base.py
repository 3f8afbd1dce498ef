"""What an optimiser is, and the chain that all of them share."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import optax

from ipixmatch_jax.optimisers.param_groups import Group, scale_by_group


class Optimiser(NamedTuple):
    """An optimiser.

    Attributes:
      build: (schedule, *, groups, weight_decay) -> the transformation of
        gradients; see `with_groups`.
      rate_factor: by how much the learning rate grows when the batch grows by
        a factor.
    """

    build: Callable[..., optax.GradientTransformation]
    rate_factor: Callable[[float], float]


def with_groups(
    rule: optax.GradientTransformation,
    schedule: optax.Schedule,
    groups: Sequence[Group],
    weight_decay: float,
) -> optax.GradientTransformation:
    """Adds decay to the gradient, applies the rule, then each group's rate.

    Args:
      rule: turns gradients into updates, without a learning rate.
      schedule: step -> learning rate.
      groups: their multipliers scale the updates.
      weight_decay: factor of the parameter that is added to its gradient.
    """
    return optax.chain(
        optax.add_decayed_weights(weight_decay),
        rule,
        scale_by_group(groups),
        optax.scale_by_learning_rate(schedule),
    )
