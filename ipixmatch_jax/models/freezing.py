"""Stages of the encoder that training leaves as they are: model.freeze."""

import re
from collections.abc import Mapping, Sequence

import jax

ENCODER = "encoder"  # all of its stages


def parse_stages(text: str, backbone: str, known: Sequence[str]) -> list[str]:
    """The stages that `model.freeze` names, in the network's order.

    Args:
      text: names with commas, such as "stem,layer1", or "encoder"; "" = none.
      backbone: its name, for the message.
      known: the names of its stages in order.

    Raises:
      ValueError: a name is not one of the backbone's stages; lists these.
    """
    named = {name.strip() for name in text.split(",")} - {""}
    unknown = sorted(named - {*known, ENCODER})
    if unknown:
        raise ValueError(
            f"config.model.freeze={text!r} names {', '.join(unknown)}, but the "
            f"stages of {backbone} are {', '.join(known)}; {ENCODER} means all "
            "of them."
        )
    return [name for name in known if {name, ENCODER} & named]


def path_patterns(
    stages: Mapping[str, str], names: Sequence[str]
) -> tuple[str, ...]:
    """Regular expressions for the paths of some stages' parameters.

    Args:
      stages: of a models.base.Backbone.
      names: keys of it.
    """
    return tuple(rf"(^|/)backbone/{stages[name]}" for name in names)


def stop_gradients(params, patterns: Sequence[str]):
    """The same parameters, those that match under `stop_gradient`.

    The backward pass then ends above the first stages, where nothing below
    learns.
    """
    if not patterns:
        return params

    def stop(path, param):
        name = "/".join(str(part.key) for part in path)
        frozen = any(re.search(pattern, name) for pattern in patterns)
        return jax.lax.stop_gradient(param) if frozen else param

    return jax.tree_util.tree_map_with_path(stop, params)
