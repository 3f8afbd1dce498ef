"""Checks the fields of a config before any long work."""

from ml_collections import ConfigDict

from ipixmatch_jax.configuration.saved import get_field
from ipixmatch_jax.data import normalisation, registry
from ipixmatch_jax.losses.inter_pixel import loss
from ipixmatch_jax.methods.registry import METHODS

_CHOICES = {
    "method": tuple(METHODS),
    "teacher": ("ema", "shared"),
    "precision": ("f32", "bf16"),
    "train.optimiser": ("sgd", "adam"),
    "train.schedule": ("poly", "constant"),
    "data.apply_views": ("device", "host"),
    "data.on_error": ("stop", "skip"),
    "model.backbone": ("r50", "r101", "tiny"),
    "model.stem": ("deep", "7x7"),
    "model.output_stride": (16, 8),
    "model.remat": (False, True),
    "data.channels": (3, 1, 2, 4),
    "data.normalisation": ("imagenet", "data"),
    "loss.labelled": ("ce", "ohem", "dice", "ce+dice"),
    "evaluate.mode": ("original", "center_crop", "sliding_window"),
}


_LEAST = {
    "train.steps": 1,
    "train.batch_size": 0,
    "train.accumulate": 1,
    "train.eval_every": 1,
    "train.save_every": 1,
    "train.log_every": 1,
    "train.learning_rate": 0,
    "train.head_multiplier": 0,
    "train.weight_decay": 0,
    "data.crop_size": 17,
    "data.num_workers": 0,
    "model.num_classes": 0,
    "loss.unlabelled_weight": 0,
    "inter_pixel.weight": 0,
    "inter_pixel.warmup_steps": 0,
    "inter_pixel.block": 1,
    "inter_pixel.stride": 1,
    "ema.copy_steps": 0,
    "evaluate.batch_size": 1,
    "mesh.data": 0,
    "mesh.fsdp": 1,
}


_SHARES = ("pseudo_label.threshold", "inter_pixel.threshold", "ema.decay")


# The only teacher that makes sense, where there is one. The two students of
# cps label for each other.
_TEACHERS = {"mean_teacher": "ema", "cps": "shared"}


def check(config: ConfigDict) -> None:
    """Raises ValueError with one sentence for a field that cannot be."""
    for field, choices in _CHOICES.items():
        if get_field(config, field) not in choices:
            raise ValueError(
                f"config.{field}={get_field(config, field)!r} is unknown; it is "
                f"one of {', '.join(map(str, choices))}."
            )
    for field, least in _LEAST.items():
        if not get_field(config, field) >= least:
            raise ValueError(
                f"config.{field}={get_field(config, field)} is too small; it is "
                f"at least {least}."
            )
    for field in _SHARES:
        if not 0 <= get_field(config, field) <= 1:
            raise ValueError(
                f"config.{field}={get_field(config, field)} is not between 0 and 1."
            )
    term = config.inter_pixel
    loss.check(term.relation, term.distance)
    if not term.temperature > 0:
        raise ValueError(
            f"config.inter_pixel.temperature={term.temperature} is not above 0."
        )
    if config.train.batch_size == 0:
        _check_reference(config)
    _check_teacher(config)
    _check_images(config)
    _check_class_weights(config)
    if config.method == "supervised" and term.weight > 0:
        raise ValueError(
            "config.method=supervised compares no views, so it has nothing "
            "for the inter-pixel loss: add --config.inter_pixel.weight=0."
        )


def _check_reference(config: ConfigDict) -> None:
    reference = get_field(config, "train.reference_batch_size")
    if reference < 1:
        raise ValueError(
            f"config.train.reference_batch_size={reference} is no batch: "
            "config.train.batch_size=0 scales the learning rate with the "
            "batch, so give the one that config.train.learning_rate is for."
        )


def _check_images(config: ConfigDict) -> None:
    """What the images are made of and normalised with."""
    data, channels = config.data, get_field(config, "data.channels")
    if channels != 3 and "channels" not in registry.OPTIONS.get(data.name, ()):
        raise ValueError(
            f"config.data.channels={channels}, but the images of {data.name} "
            "are RGB: other numbers are for folder and tfds."
        )
    numbers = [
        normalisation.parse(field, get_field(config, field), channels)
        for field in ("data.mean", "data.std")
    ]
    if data.normalisation == "imagenet":
        if channels != 3 or any(numbers):
            raise ValueError(
                "config.data.normalisation=imagenet is three numbers for RGB, "
                f"not for config.data.channels={channels} nor beside "
                "config.data.mean or std: add "
                "--config.data.normalisation=data."
            )
    elif any(numbers) and not (all(numbers) and min(numbers[1]) > 0):
        raise ValueError(
            f"config.data.mean={data.mean!r} and std={data.std!r} go together,"
            " and every std is above 0: give both, or none to measure them."
        )


def _check_class_weights(config: ConfigDict) -> None:
    weights = get_field(config, "loss.class_weights")
    if weights == "none":
        return
    if config.loss.labelled not in ("ce", "ce+dice"):
        raise ValueError(
            f"config.loss.class_weights={weights} is of cross entropy, and "
            f"config.loss.labelled={config.loss.labelled} has none to weight: "
            "set the latter to ce or ce+dice."
        )
    if weights != "balanced":
        numbers = normalisation.parse("loss.class_weights", weights)
        if not any(numbers):
            raise ValueError(
                f"config.loss.class_weights={weights!r} weights no class; it "
                "is none, balanced, or numbers that are not all 0."
            )


def _check_teacher(config: ConfigDict) -> None:
    needed = _TEACHERS.get(config.method, config.teacher)
    if config.teacher != needed:
        raise ValueError(
            f"config.method={config.method} has teacher={needed}, not "
            f"{config.teacher}: name the method in the config's argument, as "
            f"in configs/voc.py:r101_1_8,method={config.method}, which sets "
            f"its whole recipe, or add --config.teacher={needed}."
        )
