"""Checks the fields of a config before any long work."""

from ml_collections import ConfigDict

from ipixmatch_jax.configuration.check import check_values
from ipixmatch_jax.configuration.fields import FIELDS, get_value
from ipixmatch_jax.configuration.plugins import check_plugins
from ipixmatch_jax.data import normalisation, registry
from ipixmatch_jax.experiment.members import (
    LISTS,
    allowed_names,
    named_members,
)
from ipixmatch_jax.experiment.network import build_network, frozen_patterns
from ipixmatch_jax.loggers.registry import parse_names
from ipixmatch_jax.losses.inter_pixel.loss import check_reading
from ipixmatch_jax.losses.labelled import LABELLED_LOSSES
from ipixmatch_jax.methods.compared_maps import FEATURES, check_map
from ipixmatch_jax.methods.registry import METHODS


def check_config(config: ConfigDict) -> None:
    """Raises ValueError, in one sentence, if a field's value is impossible."""
    check_plugins(get_value(config, "plugins"), named_members(config))
    check_values(config, allowed_names())
    for field, members in LISTS.items():
        for name in parse_names(get_value(config, field)):
            FIELDS[field].check_value(name, tuple(map(str, members)))
    _check_term(config)
    if config.train.batch_size == 0 or config.train.scale_rate:
        _check_reference_batch(config)
    _check_teacher(config)
    _check_images(config)
    _check_class_weights(config)
    if config.model.attention == "cudnn" and config.precision != "bf16":
        raise ValueError(
            "config.model.attention=cudnn computes in bfloat16 alone: add "
            "--config.precision=bf16, or set it to auto."
        )
    frozen_patterns(config)
    network = build_network(config)  # refuses a head that does not fit
    if config.inter_pixel.on == FEATURES and not network.shows_features:
        raise ValueError(
            f"config.inter_pixel.on={FEATURES} needs a head that shows its "
            f"features, and the head {config.model.head} has no "
            "`with_features`: set config.inter_pixel.on and relation to "
            "compare logits."
        )
    _check_crop_size(config, network.side_multiple)


def _check_term(config: ConfigDict) -> None:
    """Checks the fields of inter_pixel against each other and the method."""
    term = config.inter_pixel
    check_reading(term.relation, term.distance)
    check_map(term.relation, term.distance, term.on)
    if term.labelled and term.on == FEATURES:
        raise ValueError(
            "config.inter_pixel.labelled=True takes the truth as teacher, and "
            "the truth has no features to compare on "
            f"config.inter_pixel.on={FEATURES}: set inter_pixel.labelled to "
            "False, or compare another map."
        )
    if term.weight > 0 and not METHODS[config.method].compares_views:
        raise ValueError(
            f"config.method={config.method} compares no views, so it has "
            "nothing for the inter-pixel loss: add "
            "--config.inter_pixel.weight=0."
        )


def _check_reference_batch(config: ConfigDict) -> None:
    if config.train.reference_batch_size < 1:
        raise ValueError(
            f"config.train.batch_size={config.train.batch_size} with "
            f"config.train.scale_rate={config.train.scale_rate} scales the "
            "learning rate with the batch: set "
            "config.train.reference_batch_size to the batch that "
            "config.train.learning_rate is for."
        )


def _check_images(config: ConfigDict) -> None:
    """Checks channels against the data set, and mean and std against both."""
    data, channels = config.data, config.data.channels
    if channels != 3 and "channels" not in registry.options(data.name):
        raise ValueError(
            f"config.data.channels={channels}, but the images of {data.name} "
            "are RGB: other numbers are for folder and tfds."
        )
    numbers = [
        normalisation.parse_numbers(f"data.{field}", data[field], channels)
        for field in ("mean", "std")
    ]
    if data.normalisation == "imagenet":
        if channels != 3 or any(numbers):
            raise ValueError(
                "config.data.normalisation=imagenet normalises RGB with three "
                f"fixed numbers; it goes neither with config.data.channels="
                f"{channels} nor with config.data.mean or std: add "
                "--config.data.normalisation=data."
            )
    elif any(numbers) and not (all(numbers) and min(numbers[1]) > 0):
        raise ValueError(
            f"config.data.mean={data.mean!r} and std={data.std!r} go together,"
            " and every std is above 0: give both, or none to measure them."
        )


def _check_crop_size(config: ConfigDict, multiple: int) -> None:
    size = config.data.crop_size
    if size % multiple:
        lower = size // multiple * multiple
        least = FIELDS["data.crop_size"].least or 1
        near = [str(x) for x in (lower, lower + multiple) if x >= least]
        raise ValueError(
            f"config.data.crop_size={size}, but the backbone "
            f"{config.model.backbone} takes sides that are multiples of "
            f"{multiple}: set it to {' or '.join(near)}."
        )


def _check_class_weights(config: ConfigDict) -> None:
    weights = config.loss.class_weights
    if weights == "none":
        return
    if not LABELLED_LOSSES[config.loss.labelled].takes_class_weights:
        raise ValueError(
            f"config.loss.class_weights={weights} weights the cross entropy, "
            f"which config.loss.labelled={config.loss.labelled} does not use: "
            f"set config.loss.labelled to {' or '.join(_weightable())}."
        )
    if weights != "balanced":
        numbers = normalisation.parse_numbers("loss.class_weights", weights)
        if not any(numbers):
            raise ValueError(
                f"config.loss.class_weights={weights!r} weights no class; it "
                "is none, balanced, or numbers that are not all 0."
            )


def _check_teacher(config: ConfigDict) -> None:
    allowed = METHODS[config.method].teacher
    if config.teacher not in allowed:
        needed = allowed[0]
        raise ValueError(
            f"config.method={config.method} has teacher={needed}, not "
            f"{config.teacher}: name the method in the config's argument, as "
            f"in configs/voc.py:r101_1_8,method={config.method}, which sets "
            f"its whole recipe, or add --config.teacher={needed}."
        )


def _weightable() -> list[str]:
    return [str(k) for k, v in LABELLED_LOSSES.items() if v.takes_class_weights]
