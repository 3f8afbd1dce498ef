"""What a logger must provide to be a member of the registry."""

import contextlib
import pathlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np

# Where runs are logged whose user names no other project or experiment.
PROJECT = "ipixmatch_jax"


class LoggerError(RuntimeError):
    """A logger's service refuses a call or cannot be reached."""


@contextlib.contextmanager
def as_logger_errors(*kinds: type[Exception]) -> Iterator[None]:
    """Turns a library's errors into one sentence each; it is for members.

    Raises:
      LoggerError: for an error of one of the kinds.
    """
    try:
        yield
    except kinds as error:
        words = " ".join(str(error).split()) or type(error).__name__
        raise LoggerError(f"{words.rstrip('.')}.") from error


class Logged(NamedTuple):
    """The run that is logged.

    Attributes:
      workdir: of the run; its name is the run's name.
      config: the run's nested fields.
    """

    workdir: pathlib.Path
    config: Mapping[str, Any]


class Logger(Protocol):
    """Records one run; on the first process alone.

    Every call may raise LoggerError, in one sentence.
    """

    def write_scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Adds a point at `step` to each named curve.

        A run that continues may repeat steps; the later point counts.
        """

    def write_picture(self, step: int, name: str, picture: np.ndarray) -> None:
        """Adds a uint8 [H, W, 3] picture."""

    def close(self, *, failed: bool) -> None:
        """Ends the record; `failed` says whether an error ended the run."""


class LoggerKind(NamedTuple):
    """One kind of logger, as `registry.LOGGERS` holds it.

    Attributes:
      open: begins the record of a run, or continues the one that the workdir
        notes, see run_ids.py. Raises LoggerError.
      package: what `open` imports, and the extra `loggers` brings; "" if it
        needs none.
      remote: whether it may wait for a network. Such a logger runs on a
        thread of its own, see sender.py.
      check: raises ValueError, in one sentence, for what a user has to do
        before the logger can work, such as a login. None: nothing.
    """

    open: Callable[[Logged], Logger]
    package: str = ""
    remote: bool = False
    check: Callable[[], None] | None = None
