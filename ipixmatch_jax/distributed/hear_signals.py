"""Hears of signals at once, also while the main thread compiles."""

import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import NoReturn

import jax

_LOGGER = logging.getLogger(__name__)


@contextlib.contextmanager
def hear_signals(hear: Callable[[int], None]) -> Iterator[None]:
    """Calls a function in its own thread for each signal with a handler.

    Python runs handlers in the main thread, between two of its instructions,
    and a compilation is one instruction of minutes. Before that it writes the
    signal's number into a pipe (signal.set_wakeup_fd), which the thread reads.
    Only the main thread may open it.

    Args:
      hear: gets the number of a signal.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)  # as set_wakeup_fd demands
    thread = threading.Thread(target=_listen, args=(reader, hear), daemon=True)
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(writer)  # which ends the thread
        thread.join()
        os.close(reader)


def _listen(reader: int, hear: Callable[[int], None]) -> None:
    while numbers := os.read(reader, 64):
        for number in numbers:
            hear(number)


@contextlib.contextmanager
def acknowledge_ctrl_c() -> Iterator[None]:
    """Answers Ctrl-C at once where there is nothing to save.

    The first one raises KeyboardInterrupt when the main thread can, the
    second ends the process.
    """
    count = 0

    def hear(number: int) -> None:
        nonlocal count
        if number != signal.SIGINT:
            return
        count += 1
        if count > 1:
            end_process(128 + number)
        _LOGGER.warning(
            "Ctrl-C: stopping when the compilation or the file in progress is "
            "done; Ctrl-C again ends the process at once."
        )

    with hear_signals(hear):
        yield


def exit_stopped(code: int) -> NoReturn:
    """Exits after a run; one that a signal stopped waits for no thread.

    A thread that reads from a disk that hangs would keep the interpreter for
    ever. Processes that belong together have to end together, and wait.
    """
    if code and jax.process_count() == 1:
        end_process(code)
    sys.exit(code)


def end_process(code: int) -> NoReturn:
    """Ends the process at once; no thread is waited for."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
