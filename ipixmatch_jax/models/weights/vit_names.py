"""Params of our vision transformers under Meta's names, and back.

The names are those of DINOv2's and DINOv3's .pth files and, after
`backbone.`, of UniMatch V2's checkpoints. DINOv3's biases for queries and
values alone are `attn.q_bias` and `attn.v_bias` here, as in timm;
dinov3_names.py turns them into Meta's masked one.
"""

import re
from collections.abc import Iterator, Mapping

import numpy as np
from flax import traverse_util

from ipixmatch_jax.models.weights import (
    dinov2_names,
    dinov3_names,
    layouts,
)
from ipixmatch_jax.models.weights.layouts import Leaf

_MODULES = {
    "patch_embed/linear": "patch_embed.proj",
    "norm": "norm",
    "norm1": "norm1",
    "attention/qkv": "attn.qkv",
    "attention/proj": "attn.proj",
    "scale1": "ls1",
    "norm2": "norm2",
    "mlp/fc1": "mlp.fc1",
    "mlp/fc2": "mlp.fc2",
    "mlp/w12": "mlp.w12",
    "mlp/w3": "mlp.w3",
    "scale2": "ls2",
}
_LEAVES = {"kernel": "weight", "scale": "weight"}
_PART_BIASES = {"query_bias": "attn.q_bias", "value_bias": "attn.v_bias"}


def is_dinov3(params: Mapping) -> bool:
    """Whether a vision transformer's params have no learnt positions."""
    return "pos_embed" not in params


def encoder_leaves(params: Mapping) -> Iterator[Leaf]:
    """Every leaf of a vision transformer's params with its Meta name.

    Args:
      params: of backbones.VisionTransformer; ShapeDtypeStructs do.
    """
    dinov3 = is_dinov3(params)
    for path, leaf in traverse_util.flatten_dict(dict(params)).items():
        layout = layouts.SAME
        if path[0] == "patch_embed" and path[-1] == "kernel":
            layout = layouts.PATCH_16 if dinov3 else layouts.PATCH_14
        elif path[-1] == "kernel":
            layout = layouts.LINEAR
        shape = layouts.torch_shape(leaf.shape, layout)
        yield Leaf(path, _name(path, dinov3), shape, layout)


def encoder_tensors(params: Mapping) -> dict[str, np.ndarray]:
    """A vision transformer's params by Meta's names (see the module)."""
    return layouts.tensors_of_tree(params, encoder_leaves(params))


def fill_encoder(
    tensors: Mapping[str, np.ndarray], params: Mapping, source: str
) -> dict:
    """A vision transformer's params with the values of a file.

    Args:
      tensors: arrays by Meta's, Hugging Face's or timm's names.
      params: gives structure and shapes; ShapeDtypeStructs do.
      source: names the file in sentences.

    Returns:
      params of float32 NumPy arrays.

    Raises:
      ValueError: the file is of the other DINO; or lists missing, extra and
        misshapen tensors.
    """
    names = dinov3_names if is_dinov3(params) else dinov2_names
    translated = names.translate(tensors, source)
    return layouts.fill_tree(params, encoder_leaves(params), translated, source)


def _name(path, dinov3):
    if len(path) == 1:
        registers = "storage_tokens" if dinov3 else "register_tokens"
        return registers if path[0] == "register_tokens" else path[0]
    block = re.fullmatch(r"block_(\d+)", path[0])
    begin = f"blocks.{block[1]}." if block else ""
    if path[-1] in _PART_BIASES:
        return begin + _PART_BIASES[path[-1]]
    module = _MODULES["/".join(path[bool(block) : -1])]
    return f"{begin}{module}.{_LEAVES.get(path[-1], path[-1])}"
