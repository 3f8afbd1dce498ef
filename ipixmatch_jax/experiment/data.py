"""Opens the data set that a config names."""

import logging

from ml_collections import ConfigDict

from ipixmatch_jax.data import class_counts, normalisation, registry

_LOGGER = logging.getLogger(__name__)


def open_data(config: ConfigDict) -> registry.DataSet:
    """The data set that a config describes, its files checked; see match_data.

    Raises:
      ValueError, FileNotFoundError: one sentence on what does not fit.
    """
    options = registry.OPTIONS.get(config.data.name, ())
    data = registry.open_data(
        config.data.name,
        config.data.root,
        config.data.splits_dir,
        config.data.split,
        **{field: config.data[field] for field in options},
    )
    match_data(config, data)
    return data


def match_data(config: ConfigDict, data: registry.DataSet) -> None:
    """Sets what a config leaves to the data set.

    That is model.num_classes where it is 0, data.mean and data.std where they
    are to be measured, and loss.class_weights where it is balanced.

    Raises:
      ValueError: the data set has another number of classes; or a file that
        is to be read cannot be.
    """
    if config.model.num_classes == 0:
        config.model.num_classes = len(data.class_names)
    if len(data.class_names) != config.model.num_classes:
        raise ValueError(
            f"config.model.num_classes={config.model.num_classes}, but "
            f"{config.data.name} has {len(data.class_names)} classes."
        )
    if config.data.normalisation == "data" and not config.data.mean:
        _measure(config, data)
    if config.loss.class_weights == "balanced":
        _balance(config, data)
    class_weights(config)


def _measure(config: ConfigDict, data: registry.DataSet) -> None:
    found = normalisation.measure(data.labelled, data.unlabelled)
    config.data.mean = normalisation.text(found.mean)
    config.data.std = normalisation.text(found.std)
    _LOGGER.info(
        "Images are normalised with mean %s and deviation %s, of %d training "
        "images",
        config.data.mean,
        config.data.std,
        found.images,
    )


def _balance(config: ConfigDict, data: registry.DataSet) -> None:
    names = data.class_names
    on_error = config.data.on_error
    found = class_counts.count_classes(data.labelled, len(names), on_error)
    weights = class_counts.balanced_weights(found)
    config.loss.class_weights = normalisation.text(weights)
    pairs = zip(names, weights, strict=True)
    words = ", ".join(f"{name} {weight:g}" for name, weight in pairs)
    _LOGGER.info("Weights of the classes: %s", words)


def class_weights(config: ConfigDict) -> tuple[float, ...]:
    """One number per class, () for none."""
    weights = config.loss.class_weights
    return normalisation.parse(
        "loss.class_weights",
        "" if weights == "none" else weights,
        config.model.num_classes,
    )
