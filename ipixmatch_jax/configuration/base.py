"""The config that every recipe starts from."""

from ml_collections import ConfigDict

from ipixmatch_jax.configuration.fields import SECTIONS


def base() -> ConfigDict:
    """Every field with its default, as configuration/fields.py has them.

    A data set's file changes what its recipe changes. The config is locked
    and typed: a field that does not exist and a value of another type are
    refused. The command line overrides a field with, for example,
    `--config.train.steps=1000`.
    """
    config = ConfigDict()
    for section in SECTIONS:
        target = config
        if section.name:
            config[section.name] = target = ConfigDict()
        for field in section.fields:
            target[field.path.rpartition(".")[2]] = field.default
    return config.lock()
