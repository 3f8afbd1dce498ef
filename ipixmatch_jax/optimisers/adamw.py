"""AdamW with torch's update."""

from collections.abc import Sequence

import optax

from ipixmatch_jax.optimisers.base import Optimiser
from ipixmatch_jax.optimisers.param_groups import Group, scale_by_group


def adamw(
    schedule: optax.Schedule, *, groups: Sequence[Group], weight_decay: float
) -> optax.GradientTransformation:
    """torch's AdamW: decay beside Adam, betas .9 and .999, epsilon 1e-8.

    The decay is on every parameter, biases, layer norms and position
    embeddings too (UniMatch V2), at the rate of its group. In torch a
    parameter that no output depends on has no gradient and keeps its values;
    here its gradient is 0 and the decay would shrink it. Such parameters belong
    in a frozen group.
    """
    return optax.chain(
        optax.scale_by_adam(),
        optax.add_decayed_weights(weight_decay),
        scale_by_group(groups),
        optax.scale_by_learning_rate(schedule),
    )


def _linear(batch_factor: float) -> float:
    """The rate grows with the batch, as UniMatch V2's author advises."""
    return batch_factor


OPTIMISER = Optimiser(adamw, _linear)
