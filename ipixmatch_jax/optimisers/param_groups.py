"""Groups of parameters, chosen by regular expressions over their paths.

The idea is big_vision's: the first pattern that matches decides, and a
parameter that no pattern matches is an error, so that none is forgotten.
"""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax


class Group(NamedTuple):
    """The parameters whose path a pattern matches.

    Attributes:
      pattern: a regular expression, searched for in paths such as
        "backbone/layer1_0/conv1/conv/kernel"; with several networks a path
        begins with the network's name.
      multiplier: factor of the learning rate; None: the parameters are
        frozen, and keep their values exactly.
    """

    pattern: str
    multiplier: float | None


def faster_head(multiplier: float) -> tuple[Group, Group]:
    """The backbone at the learning rate, the head at a multiple of it."""
    return (
        Group(r"(^|/)backbone/", 1.0),
        Group(r"(^|/)head/", multiplier),
    )


def frozen_groups(paths: Sequence[str]) -> tuple[Group, ...]:
    """Groups that keep their parameters.

    Args:
      paths: of parameters such as "backbone/mask_token", or of modules, which
        stand for all of their parameters.
    """
    return tuple(Group(rf"(^|/){re.escape(p)}(/|$)", None) for p in paths)


def group_of_each(params: Any, groups: Sequence[Group]) -> Any:
    """A tree of the parameters' structure with the group of each.

    Raises:
      ValueError: no pattern matches a parameter; names it and the patterns.
    """

    def find(path, _) -> Group:
        name = "/".join(str(part.key) for part in path)
        for group in groups:
            if re.search(group.pattern, name):
                return group
        raise ValueError(
            f"The parameter {name!r} belongs to no group of parameters; the "
            f"groups' patterns are {', '.join(g.pattern for g in groups)}."
        )

    return jax.tree_util.tree_map_with_path(find, params)


def scale_by_group(groups: Sequence[Group]) -> optax.GradientTransformation:
    """Multiplies each update by its group's factor; 0 where it is frozen."""

    def scale(update: jax.Array, group: Group) -> jax.Array:
        if group.multiplier is None:
            return jnp.zeros_like(update)
        return update * group.multiplier

    def scale_all(updates, params=None):
        del params
        found = group_of_each(updates, groups)
        return jax.tree.map(scale, updates, found)

    return optax.stateless(scale_all)
