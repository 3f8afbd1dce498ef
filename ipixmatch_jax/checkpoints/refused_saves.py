"""Saves that the disk refuses: why, and what helps."""

import contextlib
import errno
import gc
import logging
import os
import pathlib
import re
import shutil
import sys
from collections.abc import Iterator

_HELP = {
    errno.ENOSPC: "make room in {}",
    errno.EDQUOT: "the quota is used up: make room in {}, or raise it",
    errno.EROFS: "mount {} writable",
    errno.EACCES: "let this user write into {}",
    errno.EPERM: "let this user write into {}",
    errno.ENOTDIR: "move the file away that is in the place of a folder of {}",
    errno.EEXIST: "move the file away that is in the place of a folder of {}",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.EIO: "check the disk of {}",
}


def find_errno(error: OSError | ValueError) -> int | None:
    """The number of a disk's error; None for any other error."""
    if isinstance(error, OSError):
        return error.errno
    # tensorstore's errors are ValueErrors, with the number in the text
    # (tests/survive/test_disk_full.py meets them).
    found = re.search(r"os_error_code='(\d+)'", str(error))
    return int(found[1]) if found else None


def find_lack_of_space(
    directory: pathlib.Path, needed: int
) -> tuple[int, str] | None:
    """The number and the words of an error that a save is going to meet.

    Args:
      directory: of the checkpoints.
      needed: bytes of a save.

    Returns:
      None where there is space enough.
    """
    try:
        free = shutil.disk_usage(directory).free
    except OSError as error:
        return error.errno or 0, error.strerror or str(error)
    if free >= needed:
        return None
    words = f"{free / 1e6:.1f} MB are free of {needed / 1e6:.1f} MB"
    return errno.ENOSPC, f"{os.strerror(errno.ENOSPC)}, {words}"


def suggest_help(number: int, directory: pathlib.Path) -> str:
    """What a person can do about an error, in words."""
    if number == errno.ENOSPC and os.statvfs(directory).f_favail == 0:
        return f"no inodes are left: remove files on the disk of {directory}"
    return _HELP.get(number, "see to {}").format(directory)


@contextlib.contextmanager
def hide_side_effects() -> Iterator[None]:
    """Hides what a refused save makes the libraries print.

    `Checkpoints` reports a refused save in one line. The libraries also
    report it three times over (tests/survive/test_disk_full.py sees each):
    orbax logs the error with its traceback in every thread before it raises
    it; asyncio logs it for every task that orbax abandons; and tensorstore's
    threads fail to report to the event loop that orbax has closed.
    """
    hook, hidden = sys.unraisablehook, []

    def keep(record: logging.LogRecord) -> bool:
        hide = _reports_refused_save(record)
        if hide:
            hidden.append(record.name)
        return not hide

    def hide_closed_loop(unraisable) -> None:
        if str(unraisable.exc_value) != "Event loop is closed":
            hook(unraisable)

    loggers = [logging.getLogger(name) for name in ("absl", "asyncio")]
    for logger in loggers:
        logger.addFilter(keep)
    sys.unraisablehook = hide_closed_loop
    try:
        yield
    finally:
        if hidden:
            gc.collect()  # asyncio reports an abandoned task when it is freed.
        sys.unraisablehook = hook
        for logger in loggers:
            logger.removeFilter(keep)


def _reports_refused_save(record: logging.LogRecord) -> bool:
    if record.levelno != logging.ERROR:
        return False
    if record.name == "absl":
        return "orbax" in record.pathname
    error = record.exc_info[1] if record.exc_info else None
    return isinstance(error, OSError | ValueError) and (
        find_errno(error) is not None
    )
