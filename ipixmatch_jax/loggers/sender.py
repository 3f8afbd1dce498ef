"""Runs a logger on a thread of its own, so that no network holds up a run."""

import logging
import queue
import threading
from collections.abc import Callable, Mapping

import numpy as np

from ipixmatch_jax.loggers.base import Logged, Logger, LoggerError

_LOGGER = logging.getLogger(__name__)
_PAUSE = 30.0  # seconds between two attempts
_LAST = 60.0  # seconds that the end of a run waits for what is left


class Sender:
    """A logger whose calls are made later, in their order.

    A call that the service refuses is repeated until it succeeds, and those
    after it wait. A warning reports the first of several refusals in a row,
    and what has not been sent at the end of the run.
    """

    def __init__(
        self,
        name: str,
        open_logger: Callable[[Logged], Logger],
        run: Logged,
        *,
        pause: float = _PAUSE,
        last: float = _LAST,
    ):
        """Starts the thread, which opens the logger.

        Args:
          name: of the logger.
          open_logger: opens it, see base.LoggerKind.
          run: that is logged.
          pause: seconds between two attempts.
          last: seconds that `close` waits at most.
        """
        self._name = name
        self._open = lambda: open_logger(run)
        self._pause, self._last = pause, last
        self._logger: Logger | None = None
        self._calls: queue.SimpleQueue[Callable[[Logger], None] | None]
        self._calls = queue.SimpleQueue()
        self._closing = threading.Event()
        self._added = self._sent = 0
        self._warned = False
        self._thread = threading.Thread(
            target=self._send_all, name=f"logger-{name}", daemon=True
        )
        self._add(lambda _: None)  # opens the logger
        self._thread.start()

    def write_scalars(self, step: int, values: Mapping[str, float]) -> None:
        """See base.Logger."""
        copied = dict(values)
        self._add(lambda logger: logger.write_scalars(step, copied))

    def write_picture(self, step: int, name: str, picture: np.ndarray) -> None:
        """See base.Logger."""
        self._add(lambda logger: logger.write_picture(step, name, picture))

    def close(self, *, failed: bool) -> None:
        """Waits until everything is sent, but only so long."""
        self._add(lambda logger: logger.close(failed=failed))
        self._calls.put(None)
        self._closing.set()
        self._thread.join(1)
        if self._thread.is_alive():
            _LOGGER.info("Sending the last curves to %s ...", self._name)
            self._thread.join(self._last)
        if self._sent < self._added:
            _LOGGER.warning(
                "NOT LOGGED: %s has not got the last %d calls of this run; "
                "metrics.jsonl has every line.",
                self._name,
                self._added - self._sent,
            )

    def _add(self, call: Callable[[Logger], None]) -> None:
        self._added += 1
        self._calls.put(call)

    def _send_all(self) -> None:
        while (call := self._calls.get()) is not None:
            while not self._send(call):
                # The end of the run brings one more attempt, and no pause.
                if self._closing.is_set() or self._closing.wait(self._pause):
                    if self._send(call):
                        break
                    return
            self._sent += 1

    def _send(self, call: Callable[[Logger], None]) -> bool:
        """Makes a call, and opens the logger before the first one."""
        try:
            if self._logger is None:
                self._logger = self._open()
            call(self._logger)
        except LoggerError as error:
            if not self._warned:
                _LOGGER.warning(
                    "NOT LOGGED: %s: %s The run goes on and tries again.",
                    self._name,
                    error,
                )
            self._warned = True
            return False
        self._warned = False
        return True
