"""The ids under which services know a run, kept in its workdir."""

import pathlib
import threading

from ipixmatch_jax.loggers.base import as_logger_errors
from ipixmatch_jax.utils.atomic import write_json
from ipixmatch_jax.utils.json_files import read_json_object

FILE = "loggers.json"
_WAY_OUT = "remove it, and the loggers begin new runs"
_LOCK = threading.Lock()  # Each logger may run on a thread of its own.


def read_id(workdir: pathlib.Path, logger: str) -> str | None:
    """The id that a logger gave the run; None if it gave none yet.

    Raises:
      LoggerError: the file of the ids cannot be read.
    """
    with _LOCK, as_logger_errors(OSError, ValueError):
        return _read_all(workdir).get(logger)


def write_id(workdir: pathlib.Path, logger: str, run_id: str) -> None:
    """Notes the id that a logger gave the run.

    Raises:
      LoggerError: the file of the ids cannot be read or written.
    """
    with _LOCK, as_logger_errors(OSError, ValueError):
        ids = _read_all(workdir) | {logger: run_id}
        write_json(workdir / FILE, ids)


def _read_all(workdir: pathlib.Path) -> dict[str, str]:
    path = workdir / FILE
    return read_json_object(path, _WAY_OUT) if path.exists() else {}
