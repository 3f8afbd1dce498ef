"""Keeps freed memory in the process, where jax computes on the CPU."""

import ctypes
import os
import sys
from collections.abc import Mapping

from ipixmatch_jax.utils import accelerators

# glibc's malloc.h: parameters of mallopt.
_TRIM_THRESHOLD = -1
_MMAP_MAX = -4
_ARENA_MAX = -8

_COMPILED = "/jax/core/compile/backend_compile_duration"
_LEAST_SECONDS = 1.0


def keep_freed_memory(environment: Mapping[str, str] = os.environ) -> bool:
    """Makes glibc reuse what steps free; call it before jax is imported.

    A program of jax frees its temporary memory at the end of each step. glibc
    gives large blocks back to the system, and the next step takes a page fault
    for every 4 KiB: a sixth of the time of a step of ResNet-50 on a CPU. One
    arena, since blocks above 64 MiB of any other would be given back anyway.
    What the compiler has freed goes back: no step would fill it. No value that
    is computed changes. Ours.

    Args:
      environment: any variable MALLOC_... or an allocator in LD_PRELOAD is the
        user's choice, which stays.

    Returns:
      whether anything was set: not where jax computes on an accelerator, and
      not without glibc.
    """
    chosen = environment.get("LD_PRELOAD") or environment.get("GLIBC_TUNABLES")
    if chosen or any(name.startswith("MALLOC_") for name in environment):
        return False
    if not sys.platform.startswith("linux"):
        return False
    if not accelerators.computes_on_cpu(environment):
        return False
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "gnu_get_libc_version"):
        return False
    # -1 as the size of a block is the largest size.
    for parameter, value in (
        (_ARENA_MAX, 1),
        (_MMAP_MAX, 0),
        (_TRIM_THRESHOLD, -1),
    ):
        libc.mallopt(parameter, value)
    _give_back_after_compiling(libc)
    return True


def _give_back_after_compiling(libc):
    import jax  # It may allocate as mallopt says by now.

    def give_back(event: str, duration_secs: float, **_) -> None:
        # To look through the whole heap takes a tenth of a second.
        if event == _COMPILED and duration_secs > _LEAST_SECONDS:
            libc.malloc_trim(0)

    jax.monitoring.register_event_duration_secs_listener(give_back)
