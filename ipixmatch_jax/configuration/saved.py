"""A run's config: checked before any long work, kept in the workdir."""

import json
import pathlib

from ml_collections import ConfigDict

from ipixmatch_jax.utils.atomic import write_json

FILE = "config.json"
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


def get_field(config: ConfigDict, field: str):
    """The value of a field such as "train.steps"."""
    for name in field.split("."):
        if name not in config:
            raise ValueError(
                f"config.{field} is not there: this config is of another "
                f"version; add the field to its {FILE} by hand, with its "
                "default from configs/common.py."
            )
        config = config[name]
    return config


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
        get_field(saved, field)
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
        if get_field(saved, field) != get_field(config, field):
            return  # check_resume refuses it
    if not config.data.mean:
        config.data.mean = get_field(saved, "data.mean")
        config.data.std = get_field(saved, "data.std")


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
