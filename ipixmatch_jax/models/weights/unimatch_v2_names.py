"""Whole networks under the names of UniMatch V2's checkpoints, and back."""

from collections.abc import Iterator, Mapping

import numpy as np

from ipixmatch_jax.models.weights import dinov3_names, layouts
from ipixmatch_jax.models.weights.dpt_names import head_leaves
from ipixmatch_jax.models.weights.layouts import Leaf
from ipixmatch_jax.models.weights.vit_names import encoder_leaves, is_dinov3

BACKBONE = "backbone."
HEAD = "head."


def network_leaves(variables: Mapping) -> Iterator[Leaf]:
    """Every leaf of a vision transformer with a DPT head, with V2's name.

    Args:
      variables: `params` with `backbone` and `head`; ShapeDtypeStructs do.
    """
    params = variables["params"]
    parts = (
        ("backbone", BACKBONE, encoder_leaves),
        ("head", HEAD, head_leaves),
    )
    for part, prefix, leaves in parts:
        for leaf in leaves(params[part]):
            yield leaf._replace(
                path=("params", part, *leaf.path), name=prefix + leaf.name
            )


def to_v2_names(variables: Mapping) -> dict[str, np.ndarray]:
    """Variables as a state dict that UniMatch V2's own code loads.

    With DINOv3, which V2 does not know, the encoder's names are Meta's.

    Args:
      variables: of a vision transformer with a DPT head.

    Returns:
      arrays by name, such as "backbone.blocks.0.attn.qkv.weight" and
      "head.scratch.output_conv.2.weight".
    """
    tensors = layouts.to_tensors(variables, network_leaves(variables))
    if not is_dinov3(variables["params"]["backbone"]):
        return tensors
    encoder, head = _parted(tensors)
    encoder = dinov3_names.to_meta(encoder)
    return {BACKBONE + name: value for name, value in encoder.items()} | head


def from_v2_names(
    tensors: Mapping[str, np.ndarray],
    variables: Mapping,
    source: str = "the checkpoint",
) -> dict:
    """Variables with the values of a UniMatch V2 state dict.

    Args:
      tensors: arrays by V2's names; `module.` may precede every name, as
        where a DistributedDataParallel model was saved.
      variables: gives structure and shapes; ShapeDtypeStructs do.
      source: names the file in sentences.

    Returns:
      variables of float32 NumPy arrays.

    Raises:
      ValueError: lists missing, extra and misshapen tensors.
    """
    tensors = {
        name.removeprefix("module."): np.asarray(value)
        for name, value in tensors.items()
    }
    if is_dinov3(variables["params"]["backbone"]):
        encoder, head = _parted(tensors)
        encoder = dinov3_names.translate(encoder, source)
        tensors = {BACKBONE + n: value for n, value in encoder.items()} | head
    return layouts.fill(variables, network_leaves(variables), tensors, source)


def _parted(tensors):
    """The encoder's tensors without `backbone.`, and all the others."""
    encoder, others = {}, {}
    for name, value in tensors.items():
        if name.startswith(BACKBONE):
            encoder[name.removeprefix(BACKBONE)] = value
        else:
            others[name] = value
    return encoder, others
