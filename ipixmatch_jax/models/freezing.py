"""Stages of an encoder that training leaves as they are.

A frozen stage is a set of patterns, searched for in the paths of parameters
as in optimisers/param_groups.py, whose groups keep the parameters. This module
keeps the statistics of the batch norms, and ends the backward pass.
"""

import contextlib
import re
from collections.abc import Mapping
from contextlib import AbstractContextManager

import flax.linen as nn
import jax

from ipixmatch_jax.models.layers.norm import BatchNorm

ENCODER = "encoder"  # all stages
_BACKBONE = r"(^|/)backbone/"


def frozen_patterns(
    freeze: str, backbone: str, stages: Mapping[str, str]
) -> tuple[str, ...]:
    """Patterns of the paths that `model.freeze` names.

    Args:
      freeze: names with commas, such as "stem,layer1", or "encoder"; "": none.
      backbone: the backbone's name, for the message.
      stages: the backbone's, see `Backbone`.

    Returns:
      regular expressions for paths such as "backbone/layer1_0/conv1/bn/scale".

    Raises:
      ValueError: a name is not one of the backbone's stages; lists these.
    """
    named = {name.strip() for name in freeze.split(",")} - {""}
    unknown = sorted(named - {*stages, ENCODER})
    if unknown:
        raise ValueError(
            f"config.model.freeze={freeze!r} names {', '.join(unknown)}, but "
            f"the stages of {backbone} are {', '.join(stages)}; {ENCODER} "
            "means all of them."
        )
    if ENCODER in named:
        return (_BACKBONE,)
    return tuple(
        f"{_BACKBONE}(?:{pattern})"
        for stage, pattern in stages.items()
        if stage in named
    )


def stop_gradients(variables: Mapping, patterns: tuple[str, ...]) -> dict:
    """The same variables, with no gradient for the params that match.

    The backward pass then ends above the first stages, as nothing below them
    learns.

    Args:
      variables: params and batch_stats of one network.
      patterns: see `frozen_patterns`.
    """
    if not patterns:
        return dict(variables)

    def stop(path, leaf):
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        return jax.lax.stop_gradient(leaf) if _matches(patterns, name) else leaf

    params = jax.tree_util.tree_map_with_path(stop, variables["params"])
    return {**variables, "params": params}


def keep_statistics(patterns: tuple[str, ...]) -> AbstractContextManager:
    """While it lasts, batch norms that match are in eval mode.

    They normalise with their running statistics and do not change them, which
    is usual with few labels. It holds for `BatchNorm` of layers/norm.py inside
    any encoder.

    Args:
      patterns: see `frozen_patterns`.
    """
    if not patterns:
        return contextlib.nullcontext()

    def call_in_eval_mode(call, args, kwargs, context):
        module = context.module
        if (
            isinstance(module, BatchNorm)
            and context.method_name == "__call__"
            and _matches(patterns, "/".join(module.path) + "/")
        ):
            return call(args[0], train=False)
        return call(*args, **kwargs)

    return nn.intercept_methods(call_in_eval_mode)


def _matches(patterns: tuple[str, ...], path: str) -> bool:
    return any(re.search(pattern, path) for pattern in patterns)
