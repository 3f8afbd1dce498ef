"""Networks, built by name."""

import jax.numpy as jnp

from ipixmatch_jax.models import freezing
from ipixmatch_jax.models.deeplab import DeepLabV3Plus
from ipixmatch_jax.models.resnet import VARIANTS

STEMS = ("deep", "7x7")
OUTPUT_STRIDES = (16, 8)


def build(
    backbone: str,
    num_classes: int,
    *,
    output_stride: int = 16,
    stem: str = "deep",
    dtype: jnp.dtype = jnp.float32,
    remat: bool = False,
    mean: tuple[float, ...] | None = None,
    std: tuple[float, ...] | None = None,
    freeze: str = "",
) -> DeepLabV3Plus:
    """Builds DeepLabV3+ on a named ResNet.

    Args:
      backbone: "r50", "r101", "tiny" (narrow and shallow, for CPUs) or
        "r50c4" (ResNet-50 up to conv4).
      num_classes: channels of the logits.
      output_stride: 16 or 8.
      stem: "deep" (UniMatch's three 3x3) or "7x7" (torchvision's).
      dtype: compute dtype, float32 or bfloat16; params stay float32.
      remat: compute the backbone's activations twice instead of keeping them.
      mean: what images are normalised with, one number per channel; None:
        ImageNet's, of three channels.
      std: likewise.
      freeze: stages of the backbone that do not learn, see freezing.parse.

    Raises:
      ValueError: if a name or the output stride is unknown; lists the known.
    """
    _check("model.backbone", backbone, tuple(VARIANTS))
    _check("model.stem", stem, STEMS)
    _check("model.output_stride", output_stride, OUTPUT_STRIDES)
    blocks, width = VARIANTS[backbone]
    return DeepLabV3Plus(
        num_classes=num_classes,
        blocks=blocks,
        width=width,
        stem=stem,
        output_stride=output_stride,
        dtype=dtype,
        remat=remat,
        mean=mean,
        std=std,
        frozen=freezing.parse(freeze, backbone),
    )


def _check(field, value, known):
    if value not in known:
        names = ", ".join(str(name) for name in known)
        raise ValueError(f"{field} is {value!r}; choose one of: {names}")
