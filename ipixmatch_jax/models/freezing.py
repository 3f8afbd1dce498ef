"""Freezes stages of the encoder, which training then leaves unchanged."""

import contextlib
import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager

import flax.linen as nn
import jax

from ipixmatch_jax.models.layers.norm import BatchNorm

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
    return tuple(rf"(^|/)backbone/(?:{stages[name]})" for name in names)


def stop_gradients(params, patterns: Sequence[str]):
    """Wraps the parameters that match in `stop_gradient`.

    If the first stages are frozen, the backward pass ends above them.
    """
    if not patterns:
        return params

    def stop(path, param):
        name = "/".join(str(part.key) for part in path)
        frozen = _matches(name, patterns)
        return jax.lax.stop_gradient(param) if frozen else param

    return jax.tree_util.tree_map_with_path(stop, params)


def keep_statistics(patterns: Sequence[str]) -> AbstractContextManager:
    """Keeps the batch norms that match in eval mode inside a `with` block.

    They normalise with their running statistics and leave these alone. This
    holds for every `BatchNorm` of layers/norm.py, whichever encoder it is in.

    Args:
      patterns: see `path_patterns`.
    """
    if not patterns:
        return contextlib.nullcontext()

    def call_in_eval_mode(call, args, kwargs, context):
        module = context.module
        if (
            isinstance(module, BatchNorm)
            and context.method_name == "__call__"
            and _matches("/".join(module.path) + "/", patterns)
        ):
            return call(args[0], train=False)
        return call(*args, **kwargs)

    return nn.intercept_methods(call_in_eval_mode)


def _matches(path: str, patterns: Sequence[str]) -> bool:
    return any(re.search(pattern, path) for pattern in patterns)
