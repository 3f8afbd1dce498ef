"""Batch norms in eval mode as part of the convolutions before them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ipixmatch_jax.models.layers.normalise import EPSILON


def fold_batch_norms(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Variables with which a network computes the same in eval mode.

    In every `ConvNorm` the kernel is multiplied by the batch norm's factor,
    scale / sqrt(var + epsilon), of which only a bias is left. Other modules
    keep their variables.

    Args:
      variables: params and batch_stats of a network, with arrays that NumPy
        can read.

    Returns:
      float32 NumPy arrays for `network.apply(..., train=False)`, computed in
      float64. They cannot be trained.
    """
    params, stats = _fold(variables["params"], variables.get("batch_stats", {}))
    return {"params": params, "batch_stats": stats}


def _fold(params: Mapping, stats: Mapping) -> tuple[dict, dict]:
    """The same for the module of these params and batch_stats, and below."""
    kept, kept_stats = dict(params), dict(stats)
    if _is_conv_norm(params, stats):
        kept["conv"], kept["bn"] = _fold_unit(
            params["conv"], params["bn"], stats["bn"]
        )
        del kept_stats["bn"]
    for name, part in params.items():
        if isinstance(part, Mapping) and name in kept_stats:
            kept[name], kept_stats[name] = _fold(part, stats[name])
    return kept, kept_stats


def _is_conv_norm(params: Mapping, stats: Mapping) -> bool:
    # ConvNorm has no bias beside the kernel; a module that has is another.
    return (
        "bn" in stats
        and set(params) == {"conv", "bn"}
        and set(params["conv"]) == {"kernel"}
    )


def _fold_unit(conv: Mapping, bn: Mapping, stats: Mapping) -> tuple[dict, dict]:
    mean, var, scale, bias = (
        np.asarray(x, np.float64)
        for x in (stats["mean"], stats["var"], bn["scale"], bn["bias"])
    )
    factor = scale / np.sqrt(var + EPSILON)
    kernel = np.asarray(conv["kernel"], np.float64) * factor
    return (
        {"kernel": kernel.astype(np.float32)},
        {"bias": (bias - mean * factor).astype(np.float32)},
    )
