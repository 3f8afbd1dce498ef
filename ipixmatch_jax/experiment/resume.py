"""Compares a command with the run that its workdir holds."""

import pathlib

from ml_collections import FrozenConfigDict

from ipixmatch_jax.configuration.check import flatten
from ipixmatch_jax.configuration.saved import differences
from ipixmatch_jax.experiment.network import network_names
from ipixmatch_jax.experiment.resolve import change_fields

# The fields on which the shapes of a checkpoint's arrays depend.
_SHAPES = (
    "model.backbone",
    "model.head",
    "model.stem",
    "model.num_classes",
    "data.channels",
    "data.normalisation",
    "data.mean",
    "data.std",
    "teacher",
    "train.optimiser",
)
# Where a run reads, computes and logs; what it trains does not depend on these.
_PLACES = (
    "loggers",
    "data.root",
    "data.splits_dir",
    "data.num_workers",
    "mesh.data",
    "mesh.fsdp",
)


def check_resume(
    earlier: FrozenConfigDict, config: FrozenConfigDict, workdir: pathlib.Path
) -> list[str]:
    """Compares a run's config with the one that continues the run.

    The fields that may change hold from the next step on; the others hold
    from the start.

    Args:
      earlier: of the run in the workdir.
      config: of the command, resolved.
      workdir: for the message.

    Returns:
      words on each field that has changed.

    Raises:
      ValueError: a field on which the checkpoint's arrays depend has changed;
        all of those are named.
    """
    same = network_names(earlier) == network_names(config)
    fixed = _SHAPES if same else (*_SHAPES, "method")
    changed = differences(earlier, config)
    refused = [_describe(f, *changed[f]) for f in fixed if f in changed]
    if refused:
        raise ValueError(
            f"{workdir} holds a run of another shape ({'; '.join(refused)}): "
            "give these fields their old values, or choose another --workdir."
        )
    return [_describe(field, *values) for field, values in changed.items()]


def adopt_places(
    earlier: FrozenConfigDict, config: FrozenConfigDict
) -> FrozenConfigDict:
    """A run's config with a command's folders, workers, devices, loggers."""
    here = flatten(config)
    return change_fields(earlier, {path: here[path] for path in _PLACES})


def describe_untrained(
    earlier: FrozenConfigDict, config: FrozenConfigDict
) -> list[str]:
    """Words on the fields with which a finished run was not trained."""
    return [
        _describe(field, *values)
        for field, values in differences(earlier, config).items()
        if field not in _PLACES
    ]


def _describe(field: str, then, now) -> str:
    return f"{field} is {then!r} there and {now!r} here"
