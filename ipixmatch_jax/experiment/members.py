"""The fields of a config whose values are names in a registry."""

from ml_collections import ConfigDict

from ipixmatch_jax.configuration.plugins import Member
from ipixmatch_jax.configuration.saved import get_field
from ipixmatch_jax.data.registry import DATASETS
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


def named_members(config: ConfigDict) -> list[Member]:
    """The member of each registry that a config names."""
    members = []
    for field, registry in REGISTRIES.items():
        value = get_field(config, field)
        if value:  # an empty model.head names none
            members.append(Member(field, value, registry))
    term = config.inter_pixel
    pair = (term.relation, term.distance)
    return [*members, Member("inter_pixel.relation", pair, READINGS)]
