"""A run's config: checked before any long work, kept in the workdir."""

import json
import pathlib

from ml_collections import ConfigDict

from ipixmatch_jax.data import normalisation, sources
from ipixmatch_jax.losses import inter_pixel
from ipixmatch_jax.methods import METHODS
from ipixmatch_jax.models import freezing
from ipixmatch_jax.writer import write_json

FILE = "config.json"
_CHOICES = {
    "method": tuple(METHODS),
    "teacher": ("ema", "shared"),
    "precision": ("f32", "bf16"),
    "train.optimiser": ("sgd", "adam"),
    "train.schedule": ("poly", "constant"),
    "data.apply_views": ("device", "host"),
    "data.on_error": ("stop", "skip"),
    "model.backbone": ("r50", "r101", "tiny", "r50c4"),
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
# What a checkpoint's arrays depend on.
_FIXED = (
    "model.backbone",
    "model.stem",
    "model.num_classes",
    "data.channels",
    "data.normalisation",
    "data.mean",
    "data.std",
    "teacher",
    "train.optimiser",
)


def _get(config: ConfigDict, field: str):
    for name in field.split("."):
        if name not in config:
            raise ValueError(
                f"config.{field} is not there: this config is of another "
                f"version; add the field to its {FILE} by hand, with its "
                "default from configs/common.py."
            )
        config = config[name]
    return config


def check(config: ConfigDict) -> None:
    """Raises ValueError with one sentence for a field that cannot be."""
    for field, choices in _CHOICES.items():
        if _get(config, field) not in choices:
            raise ValueError(
                f"config.{field}={_get(config, field)!r} is unknown; it is "
                f"one of {', '.join(map(str, choices))}."
            )
    for field, least in _LEAST.items():
        if not _get(config, field) >= least:
            raise ValueError(
                f"config.{field}={_get(config, field)} is too small; it is "
                f"at least {least}."
            )
    for field in _SHARES:
        if not 0 <= _get(config, field) <= 1:
            raise ValueError(
                f"config.{field}={_get(config, field)} is not between 0 and 1."
            )
    term = config.inter_pixel
    inter_pixel.check(term.relation, term.distance)
    if not term.temperature > 0:
        raise ValueError(
            f"config.inter_pixel.temperature={term.temperature} is not above 0."
        )
    freezing.parse(_get(config, "model.freeze"), config.model.backbone)
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
    reference = _get(config, "train.reference_batch_size")
    if reference < 1:
        raise ValueError(
            f"config.train.reference_batch_size={reference} is no batch: "
            "config.train.batch_size=0 scales the learning rate with the "
            "batch, so give the one that config.train.learning_rate is for."
        )


def _check_images(config: ConfigDict) -> None:
    """What the images are made of and normalised with."""
    data, channels = config.data, _get(config, "data.channels")
    if channels != 3 and "channels" not in sources.OPTIONS.get(data.name, ()):
        raise ValueError(
            f"config.data.channels={channels}, but the images of {data.name} "
            "are RGB: other numbers are for folder and tfds."
        )
    numbers = [
        normalisation.parse(field, _get(config, field), channels)
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
    weights = _get(config, "loss.class_weights")
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


def check_resume(config: ConfigDict, workdir: pathlib.Path) -> list[str]:
    """What has changed since the run in a workdir began, and may.

    Those fields hold from the next step on, the others from the start.

    Returns:
      words for each field that is another one.

    Raises:
      ValueError: a field that the checkpoint's arrays depend on is another
        one; all of those are named.
    """
    saved = load(workdir)
    # Only this method has two networks.
    two = "cps" in (saved.method, config.method)
    fixed = (*_FIXED, "method") if two else _FIXED
    for field in fixed:
        _get(saved, field)
    changed = differences(saved, config)
    refused = [_words(f, *changed[f]) for f in fixed if f in changed]
    if refused:
        raise ValueError(
            f"{workdir} holds a run of another shape ({'; '.join(refused)}): "
            "give these fields their old values, or choose another --workdir."
        )
    return [_words(field, *values) for field, values in changed.items()]


def differences(then: ConfigDict, now: ConfigDict) -> dict[str, tuple]:
    """The fields with another value: (then, now), None where there is none."""
    # As JSON has them: a config that was saved has lists for tuples.
    old, new = (_flat(json.loads(json.dumps(c.to_dict()))) for c in (then, now))
    return {
        field: (old.get(field), new.get(field))
        for field in sorted(old.keys() | new.keys())
        if old.get(field) != new.get(field)
    }


def _words(field: str, then, now) -> str:
    return f"{field} is {then!r} there and {now!r} here"


def _flat(tree: dict, prefix: str = "") -> dict:
    flat = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


def take_measured(config: ConfigDict, workdir: pathlib.Path) -> None:
    """Takes data.mean and std from the run in a workdir, if there is one.

    They were measured when it began; images may have come since.
    """
    if not (workdir / FILE).exists() or config.data.normalisation != "data":
        return
    saved = load(workdir)
    for field in ("data.channels", "data.normalisation"):
        if _get(saved, field) != _get(config, field):
            return  # check_resume refuses it
    if not config.data.mean:
        config.data.mean = _get(saved, "data.mean")
        config.data.std = _get(saved, "data.std")


def save(config: ConfigDict, workdir: pathlib.Path) -> None:
    """Writes the resolved config as JSON into the workdir."""
    write_json(workdir / FILE, config.to_dict())


def load(workdir: pathlib.Path) -> ConfigDict:
    """The config of the run in a workdir.

    Raises:
      FileNotFoundError: there is none.
      ValueError: it is not whole.
    """
    path = workdir / FILE
    if not path.exists():
        raise FileNotFoundError(
            f"{path} is missing: {workdir} is not the --workdir of a run; "
            "start one with python -m ipixmatch_jax.main."
        )
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(
            f"{path} is not whole ({error}): remove it, and the command that "
            "trained writes it again."
        ) from error
    return ConfigDict(fields)
