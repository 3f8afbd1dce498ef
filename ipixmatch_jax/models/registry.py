"""Backbones and heads by name, and the networks that they make."""

import contextlib

import jax.numpy as jnp

from ipixmatch_jax.models.backbones import dinov2, dinov3, resnet
from ipixmatch_jax.models.base import Backbone, Encoder, Head
from ipixmatch_jax.models.heads import deeplab, dpt
from ipixmatch_jax.models.segmenter import Segmenter
from ipixmatch_jax.utils.registry import Registry

BACKBONES: Registry[Backbone] = Registry(
    "backbone",
    {
        "r50": resnet.R50,
        "r101": resnet.R101,
        "tiny": resnet.TINY,
        "r50c4": resnet.R50C4,
        **dinov2.BACKBONES,
        **dinov3.BACKBONES,
    },
)
HEADS: Registry[Head] = Registry(
    "head", {"deeplabv3plus": deeplab.HEAD, "dpt": dpt.HEAD}
)


def build(
    backbone: str,
    num_classes: int,
    *,
    head: str = "",
    dtype: jnp.dtype = jnp.float32,
    mean: tuple[float, ...] | None = None,
    std: tuple[float, ...] | None = None,
    **fields,
) -> Segmenter:
    """Builds a network.

    Args:
      backbone: a key of BACKBONES.
      num_classes: channels of the logits.
      head: a key of HEADS; "": the backbone's own.
      dtype: compute dtype, float32 or bfloat16; params stay float32.
      mean: the mean that images are normalised with, one number per channel;
        None: ImageNet's, of three channels.
      std: as mean.
      **fields: values of the backbone's own `fields`, such as stem.

    Raises:
      ValueError: a name or a field's value is unknown, or the head does not
        fit the backbone.
    """
    entry = BACKBONES[backbone]
    encoder = entry.build(dtype=dtype, **fields)
    chosen = HEADS[head or entry.head]
    try:
        module = chosen.build(encoder, num_classes=num_classes, dtype=dtype)
    except ValueError as error:
        fitting = (
            " or ".join(_list_fitting_heads(encoder)) or "a head that fits"
        )
        raise ValueError(
            f"{error} Set --config.model.head to {fitting}, or leave it empty "
            "for the backbone's own."
        ) from error
    return Segmenter(backbone=encoder, head=module, mean=mean, std=std)


def _list_fitting_heads(encoder: Encoder) -> list[str]:
    """The names of the heads that can be built for an encoder."""
    names = []
    for name, head in HEADS.items():
        with contextlib.suppress(ValueError):
            head.build(encoder, num_classes=1, dtype=jnp.float32)
            names.append(str(name))
    return names
