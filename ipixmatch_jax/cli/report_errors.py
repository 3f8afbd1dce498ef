"""How a command ends: an expected error is one sentence, a bug a traceback."""

import contextlib
import os
import pathlib
import sys
import tarfile
import traceback
import zipfile
import zlib
from collections.abc import Iterator

from ipixmatch_jax.cli import arguments
from ipixmatch_jax.cli.streams import open_missing_streams
from ipixmatch_jax.utils import accelerators
from ipixmatch_jax.utils.errors import RunError

_PACKAGE = str(pathlib.Path(__file__).parents[1])
_DAMAGED = (EOFError, tarfile.TarError, zipfile.BadZipFile, zlib.error)
_INTERRUPTED = 130  # as a shell reports SIGINT
_BROKEN_PIPE = 141  # as a shell reports SIGPIPE


@contextlib.contextmanager
def report_errors(module: str) -> Iterator[None]:
    """Ends a command with one sentence where an expected error is raised.

    Expected are errors about files and values (OSError, ValueError, damaged
    archives), RunError, a platform of JAX_PLATFORMS that jax cannot start, and
    Ctrl-C. The exit code is 1, 130 after Ctrl-C.
    Every other exception is a bug and keeps its traceback; with --debug all
    of them do. It is a context manager and a decorator.

    Args:
      module: of the command, such as "ipixmatch_jax.predict".
    """
    open_missing_streams()
    debug = "--debug" in sys.argv[1:]
    if debug:  # argparse's sub-commands need not know it.
        sys.argv.remove("--debug")
    try:
        accelerators.check_platforms()
        yield
    except BrokenPipeError:
        # The reader of our output has gone, as after `| head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(_BROKEN_PIPE)
    except (OSError, ValueError, RunError, *_DAMAGED) as error:
        if debug:
            raise
        arguments.end_with(module, describe(error), 1)
    except RuntimeError as error:
        words = accelerators.explain_backend(error)
        if debug or words is None:
            raise
        arguments.end_with(module, words, 1)
    except KeyboardInterrupt:
        if debug:
            raise
        arguments.end_with(module, "stopped by Ctrl-C.", _INTERRUPTED)


def describe(error: BaseException) -> str:
    """One line for an expected error, with the file where it has one."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}."
    if isinstance(error, _DAMAGED):
        return f"An archive is damaged: {error} ({type(error).__name__})."
    words = " ".join(str(error).splitlines()) or type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, ValueError) and not (
        frames and frames[-1].filename.startswith(_PACKAGE)
    ):
        # A library's words seldom name the file or field.
        words += " (--debug shows where.)"
    return words
