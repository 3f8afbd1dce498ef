"""Checks files of vision transformers, and names their tensors as V2 does."""

from collections.abc import Mapping

import jax
import numpy as np
from flax import traverse_util

from ipixmatch_jax.models import registry as model_registry
from ipixmatch_jax.models.backbones import dinov2, dinov3
from ipixmatch_jax.models.segmenter import variable_shapes
from ipixmatch_jax.models.weights import unimatch_v2_names
from ipixmatch_jax.models.weights.load_vit import load_vit

_FAMILIES = {**dinov2.BACKBONES, **dinov3.BACKBONES}
_CLASSIFIER = "head.scratch.output_conv.2.weight"


def is_transformer(tensors: Mapping[str, np.ndarray]) -> bool:
    """Whether tensors belong to a vision transformer, under any known names."""
    return any("patch_embed" in name for name in tensors)


def checked_tensors(
    tensors: Mapping[str, np.ndarray],
    source: str,
    allow_missing: tuple[str, ...] = (),
    network: str | None = None,
) -> tuple[dict[str, np.ndarray], str]:
    """A file's float32 tensors under UniMatch V2's names.

    Args:
      tensors: of the file, which tell the backbone.
      source: the file, a path or a name of the hub.
      allow_missing: see load_vit.
      network: which network of a training checkpoint.

    Returns:
      the tensors, and words on the network.

    Raises:
      ValueError: the file fits none of the backbones, or not exactly.
    """
    plain = {n.removeprefix("module."): x for n, x in tensors.items()}
    backbone = _find_backbone(plain, source)
    classes = len(plain[_CLASSIFIER]) if _CLASSIFIER in plain else 0
    like = variable_shapes(model_registry.build(backbone, classes or 2))
    loaded = load_vit(source, like, allow_missing, network=network)
    flat = traverse_util.flatten_dict(loaded)
    missing = {
        leaf.name
        for leaf in unimatch_v2_names.network_leaves(like)
        if isinstance(flat[leaf.path], jax.ShapeDtypeStruct)
    }
    # DINOv3's two biases are parts of one tensor in Meta's files.
    whole = {
        name.replace(part, joined)
        for name in missing
        for part in ("attn.q_bias", "attn.v_bias")
        for joined in ("attn.qkv.bias", "attn.qkv.bias_mask")
        if name.endswith(part)
    }
    named = unimatch_v2_names.to_v2_names(jax.tree.map(_or_zeros, loaded))
    what = f"a whole network of {classes} classes" if classes else "a backbone"
    return (
        {n: x for n, x in named.items() if n not in missing | whole},
        f"{backbone}, {what}",
    )


def _or_zeros(leaf):
    empty = isinstance(leaf, jax.ShapeDtypeStruct)
    return np.zeros(leaf.shape, np.float32) if empty else leaf


def _find_backbone(tensors, source) -> str:
    """The registered transformer of the tensors' width, depth and kind."""
    ends = {name.rpartition("backbone.")[2]: x for name, x in tensors.items()}
    tokens = [x for name, x in ends.items() if name.endswith("cls_token")]
    width = tokens[0].shape[-1] if tokens else 0
    depth = sum(name.endswith("norm1.weight") for name in ends)
    registers = any(
        name.endswith(("register_tokens", "storage_tokens", "reg_token"))
        for name in ends
    )
    learnt = any(
        name.endswith(("pos_embed", "position_embeddings")) for name in ends
    )
    for name, entry in _FAMILIES.items():
        encoder = entry.build()
        if (width, depth, registers, learnt) == (
            encoder.width,
            encoder.depth,
            encoder.registers > 0,
            encoder.position != "rotary",
        ):
            return name
    raise ValueError(
        f"{source} is a vision transformer of {depth} blocks and {width} "
        "channels, and no backbone has that size; the backbones are "
        f"{', '.join(_FAMILIES)}."
    )
