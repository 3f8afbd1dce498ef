"""The fields of a config whose values are names in a registry."""

from ipixmatch_jax.data.registry import DATA_SETS
from ipixmatch_jax.losses.inter_pixel.loss import READINGS
from ipixmatch_jax.methods.registry import METHODS
from ipixmatch_jax.models.backbones.resnet import VARIANTS

REGISTRIES = {
    "method": METHODS,
    "data.name": DATA_SETS,
    "model.backbone": VARIANTS,
    "loss.labelled": ("ce", "ohem", "dice", "ce+dice"),
    "train.optimiser": ("sgd", "adam"),
}


def allowed_names() -> dict[str, tuple[str, ...]]:
    """The allowed values of each field that names a member of a registry."""
    relations, distances = zip(*READINGS, strict=True)
    return {
        **{field: tuple(names) for field, names in REGISTRIES.items()},
        "inter_pixel.relation": tuple(dict.fromkeys(relations)),
        "inter_pixel.distance": tuple(dict.fromkeys(distances)),
    }
