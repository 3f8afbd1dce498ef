"""The memory of a device, and what a compiled program plans to take of it."""

import pathlib

import jax
import numpy as np
from jax.experimental import multihost_utils

# The share of the memory that a plan may fill (ours). On a device the rest is
# for batches that are read ahead, for evaluation and for what the allocator
# cannot use; on the host also for reading the data and for the page cache.
DEVICE_SHARE = 0.9
HOST_SHARE = 0.7

_MEMINFO = pathlib.Path("/proc/meminfo")
_CGROUP = pathlib.Path("/sys/fs/cgroup")


def available_memory(meminfo: str, limit: str = "", used: str = "") -> int:
    """Bytes of the host's memory that a program may still take.

    Args:
      meminfo: the text of /proc/meminfo.
      limit: the text of the cgroup's memory.max; "" or "max" sets no limit.
      used: the text of its memory.current.
    """
    fields = dict(line.split(":", 1) for line in meminfo.splitlines() if line)
    # Linux's own estimate; the unit is always kB.
    free = int(fields["MemAvailable"].split()[0]) * 1024
    if limit.strip().isdigit():
        free = min(free, int(limit) - int(used))
    return max(free, 0)


def memory_limit(devices: int) -> int | None:
    """Bytes that a plan may fill on one device; None where it is not known.

    That is DEVICE_SHARE of the memory that a device reports. CPU devices
    share HOST_SHARE of what the host has available (MemAvailable, or less in
    a container with a limit), with one process on each host. Over several
    processes the smallest limit counts, so all must call this.

    Args:
      devices: how many devices of this process a run uses.
    """
    device = jax.local_devices()[0]
    told = (device.memory_stats() or {}).get("bytes_limit")
    if told:
        mine = int(told * DEVICE_SHARE)
    elif device.platform == "cpu" and _MEMINFO.exists():
        whole = available_memory(
            _MEMINFO.read_text(encoding="utf-8"),
            _read(_CGROUP / "memory.max"),
            _read(_CGROUP / "memory.current"),
        )
        mine = int(whole * HOST_SHARE) // devices
    else:
        mine = 0
    return agree_on_memory(mine, np.min) or None


def _read(path: pathlib.Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def planned_memory(compiled) -> int | None:
    """Bytes of one device that a compiled program takes while it runs.

    That is arguments, results that do not reuse the memory of an argument,
    and temporaries, as the compiler lays them out; None where the backend
    does not report them.
    """
    memory = compiled.memory_analysis()
    if memory is None:
        return None
    return (
        memory.argument_size_in_bytes
        + memory.output_size_in_bytes
        - memory.alias_size_in_bytes
        + memory.temp_size_in_bytes
    )


def agree_on_memory(value: int, choose) -> int:
    """One number of bytes for all processes; all of them must call this.

    Args:
      value: of this process; several agree on whole KiB.
      choose: np.min or np.max.
    """
    if jax.process_count() == 1:
        return value
    # The integers of jax have 32 bits.
    everyones = multihost_utils.process_allgather(np.int32(value // 1024))
    return int(choose(everyones)) * 1024


def format_memory(size: int) -> str:
    """A number of bytes as text, such as "1.5 GiB"."""
    return f"{size / 2**30:.3g} GiB"
