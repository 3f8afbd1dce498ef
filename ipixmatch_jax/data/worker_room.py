"""What data workers need of the machine: /dev/shm and open files."""

import errno
import mmap
import resource
import shutil
from collections.abc import Iterable

SHARED = "/dev/shm"  # through which workers pass the arrays of their batches
FEWER = (
    "lower --config.data.num_workers, or read in threads with "
    "--config.data.num_workers=0"
)
# Batches that each worker keeps ready. grain keeps as many again for it in the
# run's process, and on both sides one more is on its way
# (tests/data/test_worker_room.py counts).
AHEAD = 2
# Files of a worker's pipes, and of an array in the run's process.
_PIPES, _FILES = 8, 2
# What else a run opens: libraries, logs, checkpoints.
_OTHERS = 64


def check_room(sizes: Iterable[int], num_workers: int) -> None:
    """Refuses workers for which the machine has no room, before they start.

    A worker that finds /dev/shm full is killed by the kernel without a word.

    Args:
      sizes: bytes of each array of a batch.
      num_workers: processes that read ahead; 0 needs nothing.

    Raises:
      ValueError: /dev/shm or the limit of open files is too small.
    """
    if not num_workers:
        return
    arrays = [-(-size // mmap.PAGESIZE) * mmap.PAGESIZE for size in sizes]
    needed = count_batches(num_workers) * sum(arrays)
    _check_shared(needed, num_workers)
    _check_files(count_files(num_workers, len(arrays)) + _OTHERS)


def count_batches(num_workers: int) -> int:
    """Batches in /dev/shm, with the one that the run is using."""
    return num_workers * 2 * (AHEAD + 1) + 1


def count_files(num_workers: int, arrays: int) -> int:
    """Files that the run's process opens for its workers.

    Args:
      num_workers: processes that read ahead.
      arrays: of a batch.
    """
    ready = num_workers * (AHEAD + 1) + 1
    return num_workers * _PIPES + ready * arrays * _FILES


def _check_shared(needed: int, num_workers: int) -> None:
    try:
        free = shutil.disk_usage(SHARED).free
    except OSError:  # Python's shared memory then lies elsewhere.
        return
    if needed <= free:
        return
    advised = max(2, -(-2 * needed // 2**30))
    raise ValueError(
        f"config.data.num_workers={num_workers} needs {needed / 2**20:.1f} MiB "
        f"of {SHARED}, through which data workers pass their batches, and "
        f"{free / 2**20:.1f} MiB are free ({shared_size()}): give a container "
        f"more with --shm-size={advised}g, {FEWER}."
    )


def _check_files(needed: int) -> None:
    """Raises this process's limit of open files where the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    if soft == unlimited or needed <= soft:
        return
    if hard == unlimited or needed <= hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
        return
    raise ValueError(
        f"The data workers need about {needed} open files and this process "
        f"may have {soft}: raise the limit with ulimit -n, {FEWER}."
    )


def describe_shortage(error: OSError) -> str | None:
    """What workers lack, as a sentence with ways out; None for other errors.

    Args:
      error: raised while a worker passed on a batch.
    """
    if error.filename is not None:  # an image or mask
        return None
    if error.errno == errno.ENOSPC:
        return (
            f"{SHARED}, through which data workers pass their batches, is too "
            f"small ({shared_size()}): give a container more with "
            f"--shm-size=2g, {FEWER}."
        )
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return (
            "The data workers need more open files than this process may "
            f"have: raise the limit with ulimit -n, {FEWER}."
        )
    return None


def shared_size() -> str:
    """The size of /dev/shm in words."""
    try:
        size = shutil.disk_usage(SHARED).total / 2**20
    except OSError:
        return "which is missing"
    return f"{size:.0f} MiB in all" if size >= 10 else f"{size:.1f} MiB in all"
