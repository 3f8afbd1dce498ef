"""Builds the network that a config describes."""

from collections.abc import Callable

import jax.numpy as jnp
from ml_collections import ConfigDict

from ipixmatch_jax.data import normalisation
from ipixmatch_jax.methods.base import AVERAGED
from ipixmatch_jax.methods.registry import METHODS
from ipixmatch_jax.models import freezing
from ipixmatch_jax.models import registry as model_registry
from ipixmatch_jax.models.registry import BACKBONES
from ipixmatch_jax.models.segmenter import Segmenter


def build_network(config: ConfigDict) -> Segmenter:
    """The network that a config describes.

    With `model.attention=auto` it runs on every device; `choose_attention`
    decides for the devices of a run.

    Raises:
      ValueError: a name is unknown, or the head does not fit the backbone.
    """
    model = config.model
    settings = {x: model[x] for x in BACKBONES[model.backbone].fields}
    if settings.get("attention") == "auto":
        settings["attention"] = "xla"
    return model_registry.build(
        model.backbone,
        model.num_classes,
        head=model.head,
        dtype=jnp.bfloat16 if config.precision == "bf16" else jnp.float32,
        mean=normalisation.parse_numbers("data.mean", config.data.mean) or None,
        std=normalisation.parse_numbers("data.std", config.data.std) or None,
        **settings,
    )


def frozen_patterns(config: ConfigDict) -> tuple[str, ...]:
    """Regular expressions for the paths of the parameters that are frozen.

    Raises:
      ValueError: model.freeze names a stage that the backbone lacks.
    """
    model = config.model
    stages = BACKBONES[model.backbone].stages
    names = freezing.parse_stages(model.freeze, model.backbone, tuple(stages))
    return freezing.path_patterns(stages, names)


def network_names(config: ConfigDict) -> list[str]:
    """The networks that a run of a config saves and scores."""
    learning = METHODS[config.method].networks
    return [*learning, *["teacher"] * (config.teacher == AVERAGED)]


def find_weights_loader(config: ConfigDict) -> Callable[..., dict]:
    """The function that reads files of weights for a config's backbone.

    Raises:
      ValueError: no names of tensors are known for that backbone.
    """
    loader = BACKBONES[config.model.backbone].load_weights
    if loader is None:
        raise ValueError(
            f"config.model.backbone={config.model.backbone} cannot take a file "
            "of weights, as no names of its tensors are known: leave "
            "config.model.pretrained empty, and it starts from random weights."
        )
    return loader
