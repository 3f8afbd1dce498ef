"""DINOv2's tensors under the names of Meta, Hugging Face and timm.

Functions of dictionaries of NumPy arrays; Meta's names are the common ones.
Licence of code and published weights: Apache-2.0.
"""

from collections.abc import Mapping

import numpy as np

from ipixmatch_jax.models.weights import renaming
from ipixmatch_jax.models.weights.renaming import META_BLOCK, Names

_HUGGING_FACE = Names(
    block="encoder.layer.{}.",
    outside={
        "cls_token": "embeddings.cls_token",
        "pos_embed": "embeddings.position_embeddings",
        "mask_token": "embeddings.mask_token",
        "register_tokens": "embeddings.register_tokens",
        "patch_embed.proj": "embeddings.patch_embeddings.projection",
        "norm": "layernorm",
    },
    inside={
        "norm1": "norm1",
        "attn.qkv": "attention.qkv",
        "attn.proj": "attention.output.dense",
        "ls1.gamma": "layer_scale1.lambda1",
        "norm2": "norm2",
        "mlp.fc1": "mlp.fc1",
        "mlp.fc2": "mlp.fc2",
        "mlp.w12": "mlp.weights_in",
        "mlp.w3": "mlp.weights_out",
        "ls2.gamma": "layer_scale2.lambda1",
    },
)
# Hugging Face's three projections by the name that joins them.
_JOINED = {
    f"attention.qkv.{leaf}": tuple(
        f"attention.attention.{part}.{leaf}"
        for part in ("query", "key", "value")
    )
    for leaf in ("weight", "bias")
}
# The same in a model that transformers 5 has in memory, which its
# `save_pretrained` writes under the names above; a gated network's two halves
# are apart, too.
_JOINED_IN_MEMORY = {
    f"{whole}.{leaf}": tuple(f"{part}.{leaf}" for part in parts)
    for whole, parts in (
        ("attention.qkv", tuple(f"attention.{x}_proj" for x in "qkv")),
        ("mlp.weights_in", ("mlp.gate_proj", "mlp.up_proj")),
    )
    for leaf in ("weight", "bias")
}
_IN_MEMORY = Names(
    block=_HUGGING_FACE.block,
    outside={},
    inside={"attn.proj": "attention.o_proj", "mlp.w3": "mlp.down_proj"},
)
# timm keeps a gated network's two matrices under the plain one's names.
_TIMM_GATED = Names(
    block=META_BLOCK,
    outside={},
    inside={"mlp.w12": "mlp.fc1", "mlp.w3": "mlp.fc2"},
)


def translate(
    tensors: Mapping[str, np.ndarray], source: str
) -> dict[str, np.ndarray]:
    """DINOv2's tensors from any of the three conventions to Meta's names.

    timm's files lack the mask token, which only pretraining reads; it becomes
    zeros. Unknown names stay as they are.

    Args:
      tensors: arrays by Meta's, Hugging Face's or timm's names, with or
        without `module.`, `backbone.` or `dinov2.` before them.
      source: names the file in sentences.

    Raises:
      ValueError: the tensors are DINOv3's.
    """
    tensors = without_prefixes(tensors, "dinov2.")
    if "storage_tokens" in tensors or "layer.0.norm1.weight" in tensors:
        raise ValueError(
            f"{source} has the weights of a DINOv3 model and the encoder is "
            "a DINOv2: choose a dinov3 backbone, or take DINOv2's weights."
        )
    if "embeddings.cls_token" in tensors:
        return from_hugging_face(tensors)
    if "mask_token" not in tensors and "cls_token" in tensors:
        return from_timm(tensors)
    return tensors


def without_prefixes(
    tensors: Mapping[str, np.ndarray], *prefixes: str
) -> dict[str, np.ndarray]:
    """Tensors without `module.`, `backbone.` and other beginnings."""
    stripped = {}
    for name, value in tensors.items():
        for prefix in ("module.", "backbone.", *prefixes):
            name = name.removeprefix(prefix)
        stripped[name] = np.asarray(value)
    return stripped


def from_hugging_face(
    tensors: Mapping[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """Hugging Face's names as Meta's: queries, keys and values are joined.

    The names are those of a file, or of transformers 5 in memory.
    """
    block = _HUGGING_FACE.block
    for names in (_JOINED, _JOINED_IN_MEMORY):
        for whole, parts in names.items():
            tensors = renaming.fuse_parts(tensors, block, whole, parts)
    tensors = renaming.to_meta(tensors, _HUGGING_FACE)
    return renaming.to_meta(tensors, _IN_MEMORY)


def to_hugging_face(
    tensors: Mapping[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """Meta's names as in facebook/dinov2-*: three matrices for one."""
    tensors = renaming.from_meta(tensors, _HUGGING_FACE)
    block = _HUGGING_FACE.block
    for whole, parts in _JOINED.items():
        tensors = renaming.split_whole(tensors, block, whole, parts)
    return tensors


def from_timm(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """timm's names as Meta's.

    With registers, timm's class token has its position added already and the
    position embedding is of the patches alone; the class token's position is
    then 0 here, which computes the same.
    """
    tensors = dict(tensors)
    if _is_gated(tensors):
        tensors = renaming.to_meta(tensors, _TIMM_GATED)
    first = tensors["cls_token"]
    tensors["mask_token"] = np.zeros(first.shape[-1:], np.float32)[None]
    if "reg_token" in tensors:
        tensors["register_tokens"] = tensors.pop("reg_token")
        if "pos_embed" in tensors:
            tensors["pos_embed"] = np.concatenate(
                [np.zeros_like(first), tensors["pos_embed"]], axis=1
            )
    return tensors


def to_timm(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Meta's names as timm's, see `from_timm`; without the mask token."""
    tensors = dict(tensors)
    if "blocks.0.mlp.w3.bias" in tensors:
        tensors = renaming.from_meta(tensors, _TIMM_GATED)
    del tensors["mask_token"]
    if "register_tokens" in tensors:
        tensors["reg_token"] = tensors.pop("register_tokens")
        position = tensors["pos_embed"]
        tensors["cls_token"] = tensors["cls_token"] + position[:, :1]
        tensors["pos_embed"] = position[:, 1:]
    return tensors


def _is_gated(tensors):
    """Whether the first matrix makes twice what the second one takes."""
    first = tensors.get("blocks.0.mlp.fc1.weight")
    second = tensors.get("blocks.0.mlp.fc2.weight")
    if first is None or second is None:
        return False
    return first.shape[0] == 2 * second.shape[1]
