"""DINOv3's vision transformers (Simeoni et al. 2025).

Their weights are gated and have a licence of their own, the DINOv3 License
of 19 August 2025, which copies and derived models must carry. Users bring
Meta's dinov3_vit{s,b,l}16_pretrain_*.pth, facebook/dinov3-vit{s,b,l}16-* of
the hub, or timm's vit_*_patch16_dinov3.
"""

import functools

from ipixmatch_jax.models.backbones.dinov2 import SIZES as _DINOV2
from ipixmatch_jax.models.backbones.vision_transformer import (
    VisionTransformer,
    stage_patterns,
)
from ipixmatch_jax.models.base import Backbone
from ipixmatch_jax.models.weights.load_vit import load_vit

PATCH = 16
# Width, depth, heads and taps are DINOv2's.
SIZES = {name: _DINOV2[name] for name in ("small", "base", "large", "tiny")}


def build_dinov3(size: str, **settings) -> VisionTransformer:
    """DINOv3 ViT-S/16, B or L as an encoder.

    4 registers, rotary positions, no bias for the keys, layer norms with
    epsilon 1e-5 (Meta's hub code). The random rescaling of coordinates that
    Meta's code does in training mode belongs to pretraining and is left out.

    Args:
      size: a key of SIZES.
      **settings: `dtype`, `remat` or `attention` of VisionTransformer.

    Raises:
      ValueError: the size is unknown; lists the known.
    """
    if size not in SIZES:
        raise ValueError(
            f"DINOv3 has no size {size!r}; choose one of: {', '.join(SIZES)}"
        )
    return VisionTransformer(
        **SIZES[size]._asdict(),
        patch=PATCH,
        registers=4,
        position="rotary",
        key_bias=False,
        epsilon=1e-5,
        initial_scale=1e-5,
        **settings,
    )


def _entry(size: str) -> Backbone:
    return Backbone(
        build=functools.partial(build_dinov3, size),
        head="dpt",
        stages=stage_patterns(SIZES[size].depth),
        fields=("remat", "attention"),
        load_weights=load_vit,
        for_cpus=size == "tiny",
        hub_weights={"": f"facebook/dinov3-vit{size[0]}16-pretrain-lvd1689m"},
    )


# By the name in a config.
BACKBONES = {
    "dinov3s": _entry("small"),
    "dinov3b": _entry("base"),
    "dinov3l": _entry("large"),
    "dinov3tiny": _entry("tiny"),
}
