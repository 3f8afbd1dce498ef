"""A run's config: checked before any long work, kept in the workdir."""

import json
import pathlib

from ml_collections import ConfigDict

from ipixmatch_jax.losses import inter_pixel
from ipixmatch_jax.methods import METHODS
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
    "model.backbone": ("r50", "r101", "tiny"),
    "model.stem": ("deep", "7x7"),
    "model.output_stride": (16, 8),
    "loss.labelled": ("ce", "ohem"),
    "evaluate.mode": ("original", "center_crop", "sliding_window"),
}
_LEAST = {
    "train.steps": 1,
    "train.batch_size": 1,
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
    _check_teacher(config)
    if config.method == "supervised" and term.weight > 0:
        raise ValueError(
            "config.method=supervised compares no views, so it has nothing "
            "for the inter-pixel loss: add --config.inter_pixel.weight=0."
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


def check_resume(config: ConfigDict, workdir: pathlib.Path) -> None:
    """Raises ValueError if the workdir's run has other arrays than config's."""
    saved = load(workdir)
    # Only this method has two networks.
    two = "cps" in (saved.method, config.method)
    fixed = (*_FIXED, "method") if two else _FIXED
    changed = [
        f"{field} is {_get(saved, field)!r} there and "
        f"{_get(config, field)!r} here"
        for field in fixed
        if _get(saved, field) != _get(config, field)
    ]
    if changed:
        raise ValueError(
            f"{workdir} holds a run of another shape ({'; '.join(changed)}): "
            "give these fields their old values, or choose another --workdir."
        )


def save(config: ConfigDict, workdir: pathlib.Path) -> None:
    """Writes the resolved config as JSON into the workdir."""
    write_json(workdir / FILE, config.to_dict())


def load(workdir: pathlib.Path) -> ConfigDict:
    """The config of the run in a workdir.

    Raises:
      FileNotFoundError: there is none.
    """
    path = workdir / FILE
    if not path.exists():
        raise FileNotFoundError(
            f"{path} is missing: {workdir} is not the --workdir of a run; "
            "start one with python -m ipixmatch_jax.main."
        )
    return ConfigDict(json.loads(path.read_text(encoding="utf-8")))
