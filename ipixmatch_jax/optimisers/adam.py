"""Adam with torch's update."""

import math
from collections.abc import Sequence

import optax

from ipixmatch_jax.optimisers.base import Optimiser, with_groups
from ipixmatch_jax.optimisers.param_groups import Group


def adam(
    schedule: optax.Schedule, *, groups: Sequence[Group], weight_decay: float
) -> optax.GradientTransformation:
    """torch's Adam: decay added to the gradient, betas .9 and .999.

    French et al. train with it, without decay.
    """
    return with_groups(optax.scale_by_adam(), schedule, groups, weight_decay)


# The rate grows with the square root of the batch (Malladi et al. 2022).
OPTIMISER = Optimiser(adam, math.sqrt)
