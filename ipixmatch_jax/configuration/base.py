"""The config that every recipe starts from."""

from ml_collections import ConfigDict

from ipixmatch_jax.configuration.fields import SECTIONS


def base() -> ConfigDict:
    """Every field with its default, as configuration/fields.py has them.

    The config file of a data set changes some of them. The config is locked and
    typed, and refuses an unknown field or a value of another type. The command
    line overrides a field with, for example, `--config.train.steps=1000`.
    """
    config = ConfigDict()
    for section in SECTIONS:
        target = config
        if section.name:
            config[section.name] = target = ConfigDict()
        for field in section.fields:
            target[field.path.rpartition(".")[2]] = field.default
    return config.lock()
