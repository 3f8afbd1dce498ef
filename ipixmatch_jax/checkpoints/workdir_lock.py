"""One run a workdir: two that write into one folder would spoil both."""

import contextlib
import errno
import fcntl
import logging
import os
import pathlib
import socket
from collections.abc import Iterator
from typing import TextIO

import jax

from ipixmatch_jax.distributed import processes

FILE = "lock"
_LOGGER = logging.getLogger(__name__)
# What a file system says that has no locks, as some mounted buckets have.
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


class InUseError(ValueError):
    """Another run holds the workdir."""


@contextlib.contextmanager
def lock_workdir(workdir: pathlib.Path) -> Iterator[None]:
    """Holds a workdir for one run; its first process does, for all of them.

    The kernel lets go of it when the process ends, however it ends, so a lock
    file that is left means nothing. It names its holder's process and host.
    Readers of a workdir do not ask. On NFS the lock holds between hosts where
    the server and the mount have locks (not with `nolock`), and that of a
    host that was lost is let go of by the server after its lease, with NFSv4
    90 s by default. A file system without locks is warned of.

    Args:
      workdir: an existing folder.

    Raises:
      InUseError: another run holds it; on every process.
    """
    with contextlib.ExitStack() as stack:
        refusal = None
        if jax.process_index() == 0:
            path = workdir / FILE
            # Not "w": the holder's name is to be read where it is held.
            file = stack.enter_context(path.open("a+", encoding="utf-8"))
            refusal = _take(file, workdir)
        if processes.first_says(refusal is not None):
            raise InUseError(
                refusal or f"{workdir} is in use; process 0 says by whom."
            )
        yield


def _take(file: TextIO, workdir: pathlib.Path) -> str | None:
    """Locks the file; why not, if another process has it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip() or "another process"
        return (
            f"{workdir} is in use by {holder}: wait for its end or stop it, or "
            "choose another --workdir."
        )
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        _LOGGER.warning(
            "%s is on a file system without locks (%s): take care that no "
            "other run has the same --workdir.",
            workdir,
            error.strerror,
        )
    try:
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
    except OSError as error:  # A full disk; the lock itself is held.
        _LOGGER.warning("%s does not name this run: %s", file.name, error)
    return None
