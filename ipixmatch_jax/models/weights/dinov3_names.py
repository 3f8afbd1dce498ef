"""DINOv3's tensors under the names of Meta, Hugging Face and timm.

Functions of dictionaries of NumPy arrays. The common names are Meta's, with
the biases of queries and values as `attn.q_bias` and `attn.v_bias`: the keys
have none. The weights are under the DINOv3 License, which copies must carry.
"""

from collections.abc import Mapping

import numpy as np

from ipixmatch_jax.models.layers.rotary_embedding import BASE
from ipixmatch_jax.models.weights import renaming
from ipixmatch_jax.models.weights.dinov2_names import without_prefixes
from ipixmatch_jax.models.weights.renaming import META_BLOCK, Names

_HUGGING_FACE = Names(
    block="layer.{}.",
    outside={
        "cls_token": "embeddings.cls_token",
        "mask_token": "embeddings.mask_token",
        "storage_tokens": "embeddings.register_tokens",
        "patch_embed.proj": "embeddings.patch_embeddings",
        "norm": "norm",
    },
    inside={
        "norm1": "norm1",
        "attn.qkv.weight": "attention.qkv",
        "attn.q_bias": "attention.q_proj.bias",
        "attn.v_bias": "attention.v_proj.bias",
        "attn.proj": "attention.o_proj",
        "ls1.gamma": "layer_scale1.lambda1",
        "norm2": "norm2",
        "mlp.fc1": "mlp.up_proj",
        "mlp.fc2": "mlp.down_proj",
        "ls2.gamma": "layer_scale2.lambda1",
    },
)
_QUERY_KEY_VALUE = tuple(f"attention.{part}_proj.weight" for part in "qkv")
_TIMM = Names(
    block=META_BLOCK,
    outside={"storage_tokens": "reg_token"},
    inside={"ls1.gamma": "gamma_1", "ls2.gamma": "gamma_2"},
)
# In Meta's files and not in this network. It computes the periods itself, as
# Hugging Face's does; the layer norm is for the local crops of pretraining
# (in the models for satellite images).
_UNREAD = ("rope_embed.periods", "local_cls_norm.weight", "local_cls_norm.bias")


def translate(
    tensors: Mapping[str, np.ndarray], source: str
) -> dict[str, np.ndarray]:
    """DINOv3's tensors from any of the three conventions to the common names.

    Args:
      tensors: arrays by Meta's, Hugging Face's or timm's names, with or
        without `module.` or `backbone.` before them.
      source: names the file in sentences.

    Raises:
      ValueError: the tensors are DINOv2's, or the keys have a bias.
    """
    tensors = without_prefixes(tensors, "model.")
    if "pos_embed" in tensors or "embeddings.position_embeddings" in tensors:
        raise ValueError(
            f"{source} has the weights of a DINOv2 model and the encoder is "
            "a DINOv3: choose a dinov2 backbone, or take DINOv3's weights."
        )
    if "embeddings.cls_token" in tensors:
        return from_hugging_face(tensors)
    if "reg_token" in tensors:
        return from_timm(tensors)
    return from_meta(tensors, source)


def from_hugging_face(
    tensors: Mapping[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """Hugging Face's names as the common ones."""
    block = _HUGGING_FACE.block
    fused = renaming.fuse_parts(
        tensors, block, "attention.qkv", _QUERY_KEY_VALUE
    )
    fused = renaming.to_meta(fused, _HUGGING_FACE)
    mask = fused.get("mask_token")
    if mask is not None and mask.ndim == 3:
        fused["mask_token"] = mask[0]
    return fused


def to_hugging_face(
    tensors: Mapping[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """The common names as in facebook/dinov3-vit*."""
    named = renaming.from_meta(tensors, _HUGGING_FACE)
    named["embeddings.mask_token"] = named["embeddings.mask_token"][None]
    block = _HUGGING_FACE.block
    return renaming.split_whole(named, block, "attention.qkv", _QUERY_KEY_VALUE)


def from_timm(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """timm's names as the common ones.

    The mask token, which timm leaves out, becomes zeros; so do the biases of
    queries and values in the models that timm publishes without them.
    """
    named = renaming.to_meta(tensors, _TIMM)
    named.setdefault("mask_token", np.zeros((1, _width(named)), np.float32))
    zeros = np.zeros(_width(named), np.float32)
    for number in renaming.block_numbers(named, META_BLOCK):
        for part in ("attn.q_bias", "attn.v_bias"):
            named.setdefault(META_BLOCK.format(number) + part, zeros)
    return named


def to_timm(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The common names as timm's, without the mask token."""
    named = renaming.from_meta(tensors, _TIMM)
    del named["mask_token"]
    return named


def from_meta(
    tensors: Mapping[str, np.ndarray], source: str
) -> dict[str, np.ndarray]:
    """Meta's names as the common ones.

    Meta multiplies the bias of queries, keys and values by a stored mask;
    here the product is split, and its part for the keys must be 0.

    Raises:
      ValueError: the keys of a block have a bias.
    """
    named = {k: v for k, v in tensors.items() if k not in _UNREAD}
    for number in renaming.block_numbers(named, META_BLOCK):
        begin = META_BLOCK.format(number) + "attn."
        bias = named.pop(begin + "qkv.bias", None)
        mask = named.pop(begin + "qkv.bias_mask", None)
        if bias is None:
            continue
        query, key, value = np.split(bias, 3)
        if mask is not None:
            # The mask is 0 or 1. A product would keep a masked-out NaN.
            masked = np.where(mask == 0, np.float32(0), bias)
            query, key, value = np.split(masked, 3)
        if np.any(key):
            raise ValueError(
                f"{source} has a bias for the keys in {begin}qkv.bias, which "
                "DINOv3 masks out: take Meta's own file, whose bias_mask "
                "says so."
            )
        named[begin + "q_bias"], named[begin + "v_bias"] = query, value
    return named


def to_meta(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The common names as Meta's, with its buffers, for a strict load."""
    named = dict(tensors)
    for number in renaming.block_numbers(tensors, META_BLOCK):
        begin = META_BLOCK.format(number) + "attn."
        query = named.pop(begin + "q_bias")
        value = named.pop(begin + "v_bias")
        zeros = np.zeros_like(query)
        mask = np.ones_like(query)
        named[begin + "qkv.bias"] = np.concatenate([query, zeros, value])
        named[begin + "qkv.bias_mask"] = np.concatenate([mask, zeros, mask])
    # Every published size has heads of 64 channels.
    periods = BASE ** (np.arange(16) / 16)
    named["rope_embed.periods"] = periods.astype(np.float32)
    return named


def _width(tensors):
    return tensors["cls_token"].shape[-1]
