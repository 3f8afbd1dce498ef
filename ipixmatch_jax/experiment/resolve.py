"""Fills in what a config leaves to the data set and the devices, once.

The result is frozen, so that no code can change it afterwards.
"""

import json
import logging
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict, FrozenConfigDict

from ipixmatch_jax.configuration.check import flatten
from ipixmatch_jax.configuration.fields import FIELDS
from ipixmatch_jax.configuration.plugins import required_modules
from ipixmatch_jax.data import class_counts, normalisation
from ipixmatch_jax.data.registry import DataSet
from ipixmatch_jax.experiment.data import check_classes
from ipixmatch_jax.experiment.members import named_members
from ipixmatch_jax.optimisers.registry import OPTIMISERS

_LOGGER = logging.getLogger(__name__)


def resolve_config(
    config: ConfigDict,
    data: DataSet,
    earlier: FrozenConfigDict | None = None,
) -> FrozenConfigDict:
    """Returns a frozen copy of a checked config, with the data set's values.

    The data set determines model.num_classes where it is 0, data.range,
    data.mean and data.std where they are to be measured, and loss.class_weights
    where they are balanced. `plugins` names the modules outside this package
    that the config needs. A run that continues keeps its mean, deviation and
    batch, even if images were added or the devices have changed.

    Args:
      config: of the command.
      data: the config's.
      earlier: the config of the run in the workdir; None: a new run.

    Returns:
      the resolved config; train.batch_size is still 0 where it is left to
      the devices and the run is new, see `set_batch_size`.

    Raises:
      ValueError: the config's number of classes is not the data set's; or a
        file cannot be read.
    """
    check_classes(config, data)
    resolved = change_fields(
        config,
        {
            "plugins": required_modules(named_members(config)),
            "model.num_classes": len(data.class_names),
            **_value_range(data),
            **_normalisation(config, data, earlier),
            **_class_weights(config, data),
        },
    )
    parse_class_weights(resolved)
    batch, reference = (
        resolved.train.batch_size,
        resolved.train.reference_batch_size,
    )
    if resolved.train.scale_rate and batch not in (0, reference):
        return set_batch_size(resolved, batch, "as the config has")
    if earlier is not None and resolved.train.batch_size == 0:
        size = earlier.train.batch_size
        return set_batch_size(resolved, size, "as the run in the workdir has")
    return resolved


def change_fields(
    config: ConfigDict, changes: Mapping[str, Any]
) -> FrozenConfigDict:
    """A frozen copy of a config with other values, by paths of fields."""
    copy = ConfigDict(config.to_dict())
    copy.update_from_flattened_dict(dict(changes))
    return FrozenConfigDict(copy)


def _value_range(data: DataSet) -> dict[str, str]:
    """data.range, where the data set has one."""
    return {} if data.value_range is None else {"data.range": data.value_range}


def _normalisation(
    config: ConfigDict, data: DataSet, earlier: FrozenConfigDict | None
) -> dict[str, str]:
    """data.mean and std, where they are to be measured."""
    if config.data.normalisation != "data" or config.data.mean:
        return {}
    fields = ("data.channels", "data.normalisation")
    if earlier is not None and _equal(config, earlier, fields):
        return {
            "data.mean": earlier.data.mean,
            "data.std": earlier.data.std,
        }
    found = normalisation.measure_mean_and_std(data.labelled, data.unlabelled)
    mean = normalisation.format_numbers(found.mean)
    std = normalisation.format_numbers(found.std)
    _LOGGER.info(
        "Images are normalised with mean %s and deviation %s, measured on %d "
        "training images",
        mean,
        std,
        found.images,
    )
    return {"data.mean": mean, "data.std": std}


def _equal(one, other, paths: tuple[str, ...]) -> bool:
    one, other = flatten(one), flatten(other)
    return all(one[path] == other[path] for path in paths)


def _class_weights(config: ConfigDict, data: DataSet) -> dict[str, str]:
    """loss.class_weights, where they are balanced."""
    if config.loss.class_weights != "balanced":
        return {}
    names = data.class_names
    on_error = config.data.on_error
    found = class_counts.count_classes(data.labelled, len(names), on_error)
    weights = class_counts.balanced_weights(found)
    pairs = zip(names, weights, strict=True)
    words = ", ".join(f"{name} {weight:g}" for name, weight in pairs)
    _LOGGER.info("Weights of the classes: %s", words)
    return {"loss.class_weights": normalisation.format_numbers(weights)}


def parse_class_weights(config: FrozenConfigDict) -> tuple[float, ...]:
    """The weights of a resolved config: one number per class, () for none."""
    weights = config.loss.class_weights
    return normalisation.parse_numbers(
        "loss.class_weights",
        "" if weights == "none" else weights,
        config.model.num_classes,
    )


def scale_rate(
    rate: float, batch_size: int, reference: int, optimiser: str
) -> float:
    """The learning rate of a batch of another size than the recipe's.

    Each optimiser says how its rate grows with the batch.

    Args:
      rate: that goes with the batch `reference`.
      batch_size: the batch that is used.
      reference: the recipe's batch.
      optimiser: a key of OPTIMISERS.
    """
    return rate * OPTIMISERS[optimiser].rate_factor(batch_size / reference)


def with_batch_size(
    config: FrozenConfigDict, batch_size: int
) -> FrozenConfigDict:
    """A copy with another batch, and the learning rate scaled to match."""
    train = config.train
    rate = scale_rate(
        train.learning_rate,
        batch_size,
        train.reference_batch_size,
        train.optimiser,
    )
    changes = {"train.batch_size": batch_size, "train.learning_rate": rate}
    if train.scale_rate:
        # The rate is this batch's from now on, and is not scaled again.
        changes["train.reference_batch_size"] = batch_size
    return change_fields(config, changes)


def set_batch_size(
    config: FrozenConfigDict, batch_size: int, why: str
) -> FrozenConfigDict:
    """`with_batch_size`, and a line in the log that says how to fix both."""
    changed = with_batch_size(config, batch_size)
    rate = changed.train.learning_rate
    _LOGGER.info(
        "batch_size=%d (%s), learning_rate=%g (%g at the recipe's batch of "
        "%d). To fix them: --config.train.batch_size=%d "
        "--config.train.learning_rate=%r%s",
        batch_size,
        why,
        rate,
        config.train.learning_rate,
        config.train.reference_batch_size,
        batch_size,
        rate,
        " --config.train.scale_rate=False" * config.train.scale_rate,
    )
    return changed


def program_key(config: FrozenConfigDict) -> str:
    """Equal for resolved configs whose compiled programs are the same."""
    values = flatten(config)
    # Without its term a program does not depend on the term's other fields.
    term = values["inter_pixel.weight"] != 0
    return json.dumps(
        {
            path: values[path]
            for path, field in sorted(FIELDS.items())
            if field.compiled and (term or not path.startswith("inter_pixel."))
        }
    )
