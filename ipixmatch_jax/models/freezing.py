"""Stages of the encoder that training leaves as they are."""

import jax

from ipixmatch_jax.models.resnet import VARIANTS, stage_names

ENCODER = "encoder"  # all of its stages


def parse(text: str, backbone: str) -> tuple[str, ...]:
    """The stages that `model.freeze` names, in the network's order.

    Args:
      text: names with commas, such as "stem,layer1", or "encoder"; "" = none.
      backbone: a key of resnet.VARIANTS.

    Raises:
      ValueError: a name is not one of the backbone's stages; lists these.
    """
    known = stage_names(VARIANTS[backbone][0])
    named = {name.strip() for name in text.split(",")} - {""}
    unknown = sorted(named - {*known, ENCODER})
    if unknown or (named and not known):
        stages = ", ".join(known) or "none"
        raise ValueError(
            f"config.model.freeze={text!r} names {', '.join(unknown or named)}"
            f", but the stages of {backbone} are {stages}; "
            f"{ENCODER} means all of them."
        )
    return known if ENCODER in named else tuple(s for s in known if s in named)


def is_frozen(path: tuple, stages: tuple[str, ...]) -> bool:
    """Whether a parameter's path in the tree leads into one of the stages.

    A stage's modules are named after it: stem_1, layer1_0.
    """
    keys = [part.key for part in path]
    if "backbone" not in keys:
        return False
    module = keys[keys.index("backbone") + 1]
    return module.rpartition("_")[0] in stages


def stop_gradients(params, stages: tuple[str, ...]):
    """The same parameters, those of the stages under `stop_gradient`.

    The backward pass then ends above the first stages, where nothing below
    learns.
    """
    if not stages:
        return params
    return jax.tree_util.tree_map_with_path(
        lambda path, x: (
            jax.lax.stop_gradient(x) if is_frozen(path, stages) else x
        ),
        params,
    )
