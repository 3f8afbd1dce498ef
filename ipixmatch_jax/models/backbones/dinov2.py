"""DINOv2's vision transformers (Oquab et al. 2023; registers: Darcet 2023).

Meta's code and weights are under Apache-2.0. Weights are files that users
bring: dinov2_vit{s,b,l,g}14{,_reg4}_pretrain.pth, facebook/dinov2-small and
its kin on the hub, or timm's vit_*_patch14_dinov2.
"""

import functools
from typing import NamedTuple

from ipixmatch_jax.models.backbones.vision_transformer import (
    VisionTransformer,
    stage_patterns,
)
from ipixmatch_jax.models.base import Backbone
from ipixmatch_jax.models.weights.load_vit import load_vit

PATCH = 14
# Side of the images that the position embedding was learnt on.
NATIVE_SIDE = 518


class Size(NamedTuple):
    """What differs between the models.

    Attributes:
      width: channels of a token.
      depth: number of blocks.
      heads: attention heads of a block.
      taps: blocks from 0 whose outputs the head sees (UniMatch V2).
      gated: SwiGLU in place of the GELU network.
    """

    width: int
    depth: int
    heads: int
    taps: tuple[int, int, int, int]
    gated: bool = False


SIZES = {
    "small": Size(384, 12, 6, (2, 5, 8, 11)),
    "base": Size(768, 12, 12, (2, 5, 8, 11)),
    "large": Size(1024, 24, 16, (4, 11, 17, 23)),
    "giant": Size(1536, 40, 24, (9, 19, 29, 39), gated=True),
    # For CPUs: the same code, narrow and shallow. It has no published weights.
    "tiny": Size(48, 4, 3, (0, 1, 2, 3)),
}


def build_dinov2(
    size: str, *, registers: bool = False, **settings
) -> VisionTransformer:
    """DINOv2 ViT-S/14, B, L or g as an encoder.

    Args:
      size: a key of SIZES.
      registers: the models with 4 register tokens, whose position embedding
        is resampled by another rule than that of the others.
      **settings: `dtype`, `remat` or `attention` of VisionTransformer.

    Raises:
      ValueError: the size is unknown; lists the known.
    """
    if size not in SIZES:
        raise ValueError(
            f"DINOv2 has no size {size!r}; choose one of: {', '.join(SIZES)}"
        )
    return VisionTransformer(
        **SIZES[size]._asdict(),
        patch=PATCH,
        grid=NATIVE_SIDE // PATCH,
        registers=4 if registers else 0,
        position="learnt_antialiased" if registers else "learnt",
        **settings,
    )


def _entry(size: str, registers: bool = False) -> Backbone:
    kind = "dinov2-with-registers" if registers else "dinov2"
    return Backbone(
        build=functools.partial(build_dinov2, size, registers=registers),
        head="dpt",
        stages=stage_patterns(SIZES[size].depth),
        fields=("remat", "attention"),
        load_weights=load_vit,
        for_cpus=size == "tiny",
        hub_weights={"": f"facebook/{kind}-{size}"},
    )


# By the name in a config, such as "dinov2s" and "dinov2s_reg".
BACKBONES = {
    f"dinov2{letter}{'_reg' * registers}": _entry(size, registers)
    for registers in (False, True)
    for letter, size in (
        ("s", "small"),
        ("b", "base"),
        ("l", "large"),
        ("g", "giant"),
    )
} | {"dinov2tiny": _entry("tiny")}
