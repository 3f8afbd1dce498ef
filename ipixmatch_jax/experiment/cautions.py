"""Sentences on why a run's term or its scores may mislead."""

from collections.abc import Mapping
from typing import Any


def describe_warmup(fields: Mapping[str, Any]) -> str | None:
    """A sentence if the inter-pixel term never reaches its weight.

    Args:
      fields: values of a config by path, such as "train.steps".
    """
    warmup = fields.get("inter_pixel.warmup_steps", 0)
    weight = fields.get("inter_pixel.weight", 0)
    steps = fields.get("train.steps", 0)
    if not weight or warmup <= steps:
        return None
    return (
        f"inter_pixel.warmup_steps={warmup} is longer than the run of "
        f"train.steps={steps}: the inter-pixel loss ends at "
        f"{steps / warmup:.0%} of inter_pixel.weight={weight:g}, which it "
        "never reaches. Shorten the warm-up or lengthen the run."
    )
