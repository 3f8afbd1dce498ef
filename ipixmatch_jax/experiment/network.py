"""Builds the network that a config describes."""

import jax.numpy as jnp
from ml_collections import ConfigDict

from ipixmatch_jax.data import normalisation
from ipixmatch_jax.models import registry as model_registry
from ipixmatch_jax.models.heads.deeplab import DeepLabV3Plus


def build_network(config: ConfigDict) -> DeepLabV3Plus:
    """The network that a config describes."""
    return model_registry.build(
        config.model.backbone,
        config.model.num_classes,
        output_stride=config.model.output_stride,
        stem=config.model.stem,
        dtype=jnp.bfloat16 if config.precision == "bf16" else jnp.float32,
        mean=normalisation.parse("data.mean", config.data.mean) or None,
        std=normalisation.parse("data.std", config.data.std) or None,
        remat=config.model.remat,
    )


def network_names(config: ConfigDict) -> list[str]:
    """The networks that a run of a config saves and scores."""
    if config.method == "cps":
        return ["student", "twin"]
    return ["student"] + ["teacher"] * (config.teacher == "ema")
