"""Networks with a DPT head under UniMatch V2's names, and back."""

from collections.abc import Iterator, Mapping

import numpy as np

from ipixmatch_jax.models.weights import (
    dinov2_names,
    dinov3_names,
    layouts,
    torch_names,
)
from ipixmatch_jax.models.weights.dpt_names import head_leaves
from ipixmatch_jax.models.weights.layouts import Leaf
from ipixmatch_jax.models.weights.vit_names import encoder_leaves, is_dinov3

BACKBONE = "backbone."
HEAD = "head."


def network_leaves(variables: Mapping) -> Iterator[Leaf]:
    """Every leaf of an encoder with a DPT head, with its name.

    Args:
      variables: `params` with `backbone` and `head`, and a ResNet's
        `batch_stats`; ShapeDtypeStructs do.
    """
    params = variables["params"]
    if _is_transformer(variables):
        for leaf in encoder_leaves(params["backbone"]):
            yield _inside(leaf, "backbone", BACKBONE)
    else:
        for path, name, shape in torch_names.entries(variables):
            layout = layouts.CONV if len(shape) == 4 else layouts.SAME
            yield Leaf(path, name, shape, layout)
    for leaf in head_leaves(params["head"]):
        yield _inside(leaf, "head", HEAD)


def _inside(leaf, part, prefix):
    """The leaf of a part as one of the whole network."""
    path = ("params", part, *leaf.path)
    return leaf._replace(path=path, name=prefix + leaf.name)


def _is_transformer(variables):
    return "patch_embed" in variables["params"]["backbone"]


def _is_dinov3(variables):
    return _is_transformer(variables) and is_dinov3(
        variables["params"]["backbone"]
    )


def to_v2_names(variables: Mapping) -> dict[str, np.ndarray]:
    """Variables as a state dict that UniMatch V2's own code loads.

    Of encoders that V2 does not have, DINOv3's names are Meta's and a
    ResNet's are UniMatch's.

    Args:
      variables: see `network_leaves`.

    Returns:
      arrays by name, such as "backbone.blocks.0.attn.qkv.weight" and
      "head.scratch.output_conv.2.weight".
    """
    tensors = layouts.tensors_of_tree(variables, network_leaves(variables))
    if not _is_dinov3(variables):
        return tensors
    encoder = {
        name.removeprefix(BACKBONE): tensors.pop(name)
        for name in list(tensors)
        if name.startswith(BACKBONE)
    }
    encoder = dinov3_names.to_meta(encoder)
    return {BACKBONE + n: value for n, value in encoder.items()} | tensors


def from_v2_names(
    tensors: Mapping[str, np.ndarray],
    variables: Mapping,
    source: str = "the checkpoint",
) -> dict:
    """Variables with the values of a UniMatch V2 state dict.

    Args:
      tensors: of a whole network, see `translate`.
      variables: gives structure and shapes; ShapeDtypeStructs do.
      source: names the file in sentences.

    Returns:
      variables of float32 NumPy arrays.

    Raises:
      ValueError: lists missing, extra and misshapen tensors.
    """
    tensors = translate(tensors, variables, source)
    leaves = network_leaves(variables)
    return layouts.fill_tree(variables, leaves, tensors, source)


def translate(
    tensors: Mapping[str, np.ndarray], variables: Mapping, source: str
) -> dict[str, np.ndarray]:
    """A file's tensors under the names of `network_leaves`.

    Args:
      tensors: arrays by V2's names for a whole network, or an encoder's by
        Meta's, Hugging Face's or timm's. `module.` may precede every name, as
        where a DistributedDataParallel model was saved; batch norms' counters
        are ignored.
      variables: of the network that they are for.
      source: names the file in sentences.

    Raises:
      ValueError: the encoder is of the other DINO.
    """
    encoder: dict[str, np.ndarray] = {}
    head: dict[str, np.ndarray] = {}
    for name, value in tensors.items():
        name = name.removeprefix("module.")
        if name.endswith(torch_names.COUNTER):
            continue
        part = head if name.startswith(HEAD) else encoder
        part[name.removeprefix(BACKBONE)] = np.asarray(value)
    if _is_dinov3(variables):
        encoder = dinov3_names.translate(encoder, source)
    elif _is_transformer(variables):
        encoder = dinov2_names.translate(encoder, source)
    return {BACKBONE + name: value for name, value in encoder.items()} | head


def has_head(tensors: Mapping[str, np.ndarray]) -> bool:
    """Whether translated tensors reach beyond the encoder."""
    return any(name.startswith(HEAD) for name in tensors)
