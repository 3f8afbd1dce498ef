"""The loggers by name, and the ones that a config names."""

import importlib.util

from ipixmatch_jax.loggers import mlflow, tensorboard, wandb
from ipixmatch_jax.loggers.base import Logged, Logger, LoggerKind
from ipixmatch_jax.loggers.sender import Sender
from ipixmatch_jax.utils.registry import Registry

LOGGERS: Registry[LoggerKind] = Registry(
    "logger",
    {
        "tensorboard": tensorboard.LOGGER,
        "wandb": wandb.LOGGER,
        "mlflow": mlflow.LOGGER,
    },
)


def parse_names(text: str) -> tuple[str, ...]:
    """The names of a list with commas, each once; "" names none."""
    words = (word.strip() for word in text.split(","))
    return tuple(dict.fromkeys(word for word in words if word))


def find_uninstalled(names: tuple[str, ...]) -> list[str]:
    """Those of the names whose package is not installed."""
    packages = ((name, LOGGERS[name].package) for name in names)
    return [
        name
        for name, package in packages
        if package and importlib.util.find_spec(package) is None
    ]


def check_loggers(names: tuple[str, ...], *, writes: bool) -> None:
    """Checks that loggers can work, before any long work.

    Args:
      names: of the loggers.
      writes: whether this process will write to them.

    Raises:
      ValueError: one is not installed, or waits for its user.
    """
    for name in find_uninstalled(names):
        raise ValueError(
            f"config.loggers names {name}, which is not installed: install "
            "the extra with `pip install 'ipixmatch_jax[loggers]'`, or leave "
            f"{name} out of --config.loggers."
        )
    for name in names if writes else ():
        check = LOGGERS[name].check
        if check is not None:
            check()


def open_loggers(names: tuple[str, ...], run: Logged) -> list[Logger]:
    """Opens loggers that write the record of a run; they never raise.

    Args:
      names: of the loggers, checked.
      run: that is logged.
    """
    opened: list[Logger] = []
    for name in names:
        kind = LOGGERS[name]
        opened.append(
            Sender(name, kind.open, run) if kind.remote else kind.open(run)
        )
    return opened
