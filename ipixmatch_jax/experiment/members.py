"""The fields of a config whose values are names in a registry."""

from ml_collections import ConfigDict

from ipixmatch_jax.configuration.fields import get_value
from ipixmatch_jax.configuration.plugins import Member
from ipixmatch_jax.data.registry import DATASETS
from ipixmatch_jax.loggers.registry import LOGGERS, parse_names
from ipixmatch_jax.losses.inter_pixel.registry import READINGS
from ipixmatch_jax.losses.labelled import LABELLED_LOSSES
from ipixmatch_jax.methods.registry import METHODS
from ipixmatch_jax.models.registry import BACKBONES, HEADS
from ipixmatch_jax.optimisers.registry import OPTIMISERS, SCHEDULES
from ipixmatch_jax.utils.registry import Registry

REGISTRIES: dict[str, Registry] = {
    "method": METHODS,
    "data.name": DATASETS,
    "model.backbone": BACKBONES,
    "model.head": HEADS,
    "loss.labelled": LABELLED_LOSSES,
    "train.optimiser": OPTIMISERS,
    "train.schedule": SCHEDULES,
}
# Fields that name several members, separated by commas.
LISTS: dict[str, Registry] = {"loggers": LOGGERS}
# Fields where "" names no member and leaves the choice to another field.
_OPTIONAL = ("model.head",)


def allowed_names() -> dict[str, tuple[str, ...]]:
    """The allowed values of each field that names a member of a registry."""
    relations, distances = zip(*READINGS, strict=True)
    return {
        **{
            field: ("",) * (field in _OPTIONAL) + tuple(names)
            for field, names in REGISTRIES.items()
        },
        "inter_pixel.relation": tuple(dict.fromkeys(relations)),
        "inter_pixel.distance": tuple(dict.fromkeys(distances)),
    }


def named_members(config: ConfigDict) -> list[Member]:
    """The member of each registry that a config names."""
    members = [
        Member(field, name, registry)
        for field, registry in REGISTRIES.items()
        if (name := get_value(config, field))
    ]
    members += [
        # Each may come from a module of its own.
        Member(f"{field}.{name}", name, registry)
        for field, registry in LISTS.items()
        for name in parse_names(get_value(config, field))
    ]
    pair = tuple(
        get_value(config, f"inter_pixel.{field}")
        for field in ("relation", "distance")
    )
    return [*members, Member("inter_pixel.relation", pair, READINGS)]
