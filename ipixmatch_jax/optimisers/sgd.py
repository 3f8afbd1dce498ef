"""SGD with momentum and torch's update."""

from collections.abc import Sequence

import optax

from ipixmatch_jax.optimisers.base import Optimiser, with_groups
from ipixmatch_jax.optimisers.param_groups import Group


def sgd(
    schedule: optax.Schedule,
    *,
    groups: Sequence[Group],
    weight_decay: float,
    momentum: float = 0.9,
) -> optax.GradientTransformation:
    """torch's SGD: decay added to the gradient, then momentum, then the rate.

    Weight decay is on every parameter, biases and batch norms too
    (UniMatch v1).
    """
    rule = optax.trace(decay=momentum)
    return with_groups(rule, schedule, groups, weight_decay)


def _linear(batch_factor: float) -> float:
    """The rate grows with the batch (Goyal et al. 2017)."""
    return batch_factor


OPTIMISER = Optimiser(sgd, _linear)
