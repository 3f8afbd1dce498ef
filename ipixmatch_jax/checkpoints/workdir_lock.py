"""Locks a workdir: two runs that write into one folder would spoil both."""

import contextlib
import errno
import fcntl
import logging
import os
import pathlib
import socket
from collections.abc import Iterator

import jax

from ipixmatch_jax.distributed import processes

FILE = "lock"
_LOGGER = logging.getLogger(__name__)
# What a file system without locks answers, such as a mounted bucket.
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
# NFS locks a folder as it locks ranges of bytes, which a folder has none of.
_NO_FOLDER_LOCKS = (*_NO_LOCKS, errno.EBADF, errno.EINVAL, errno.EISDIR)


class InUseError(ValueError):
    """Another run has locked the workdir."""


@contextlib.contextmanager
def lock_workdir(workdir: pathlib.Path) -> Iterator[None]:
    """Locks a workdir for one run; its first process does so for all.

    The folder itself and a file in it are locked: removing the file frees
    nothing. The kernel frees both when the process ends, however it ends, so
    a file that is left has no meaning. The file names the process and the
    host. Commands that only read a workdir do not lock it.

    On NFS only the file is locked, between hosts where the server and the
    mount have locks (not with `nolock`); the server frees the lock of a lost
    host after its lease, with NFSv4 90 s by default. On a file system without
    locks a warning says so.

    Args:
      workdir: an existing folder.

    Raises:
      InUseError: another run has locked it; on every process.
      OSError: the lock failed; it names the workdir.
    """
    with contextlib.ExitStack() as stack:
        refusal = None
        if jax.process_index() == 0:
            refusal = _lock(workdir, stack)
        if processes.ask_first(refusal is not None):
            raise InUseError(
                refusal or f"{workdir} is in use; process 0 says by whom."
            )
        yield


def _lock(workdir: pathlib.Path, stack: contextlib.ExitStack) -> str | None:
    """Locks the folder and its file until the stack closes.

    Returns:
      a sentence where another process has locked one of them.
    """
    path = workdir / FILE
    folder = os.open(workdir, os.O_RDONLY)
    stack.callback(os.close, folder)
    # Not "w": the name of another holder is read from the file.
    file = stack.enter_context(path.open("a+", encoding="utf-8"))
    locked = [_try_lock(folder, workdir, _NO_FOLDER_LOCKS)]
    locked.append(_try_lock(file.fileno(), workdir, _NO_LOCKS))
    if False in locked:
        file.seek(0)
        holder = file.read().strip() or "another process"
        return (
            f"{workdir} is in use by {holder}: wait for its end or stop it, or "
            "choose another --workdir."
        )
    if locked == [None, None]:
        _LOGGER.warning(
            "%s is on a file system without locks: make sure that no other "
            "run has the same --workdir.",
            workdir,
        )
    try:
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
    except OSError as error:  # The disk is full; the lock is not affected.
        _LOGGER.warning("%s does not name this run: %s", path, error)
    return None


def _try_lock(
    descriptor: int, workdir: pathlib.Path, without: tuple[int, ...]
) -> bool | None:
    """Whether a lock was taken; None where there are none to take.

    Args:
      descriptor: of an open file or folder.
      workdir: for the message.
      without: the errors that mean that there are no locks.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in without:
            raise OSError(
                error.errno, f"cannot be locked: {error.strerror}", str(workdir)
            ) from error
        return None
    return True
