"""AdamW as UniMatch V2 uses it: decay on whatever has a gradient."""

import jax
import optax

from ipixmatch_jax.training.optimiser import group_of


def adamw(
    schedule: optax.Schedule,
    *,
    head_multiplier: float,
    weight_decay: float,
    untrained: tuple[str, ...] = (),
) -> optax.GradientTransformation:
    """Adam, decay of every parameter, the rate of each group.

    Betas 0.9 and 0.999, epsilon 1e-8. The decay is on biases, layer norms
    and position embeddings too (UniMatch V2). In torch a parameter that no
    output depends on has no gradient and stays as it is; here its gradient
    is 0 and the decay would shrink it, so such parameters are named.

    Args:
      schedule: the encoder's learning rate.
      head_multiplier: the head's rate over the encoder's.
      weight_decay: times the rate, the share that a parameter loses a step.
      untrained: beginnings of paths from `backbone` or `head` on, such as
        "backbone/mask_token": an encoder's and a head's `untrained`.
    """
    factors = {"backbone": 1.0, "head": head_multiplier}

    def factor(path):
        keys = [str(part.key) for part in path]
        group = group_of(path)
        inside = "/".join(keys[keys.index(group) :])
        if any(f"{inside}/".startswith(f"{name}/") for name in untrained):
            return 0.0
        return factors[group]

    def scale(updates, _):
        return jax.tree_util.tree_map_with_path(
            lambda path, update: update * factor(path), updates
        )

    return optax.chain(
        optax.scale_by_adam(),
        optax.add_decayed_weights(weight_decay),
        optax.stateless(scale),
        optax.scale_by_learning_rate(schedule),
    )
